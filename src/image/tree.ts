/**
 * The site as an image format sees it: regular files only, each with a path and a size, sorted bytewise. Where the
 * bytes come from is not the format's business, so a format can be tested without a disk. Pure.
 */
import { compareBytewise } from "../util/bytes.ts";

/** One regular file. `path` is relative, separated by `/`; `size` is in bytes, exact up to 2^53 - 1. */
export interface FileEntry {
  readonly path: string;
  readonly size: number;
}

/** Sorted bytewise by path, without duplicates. */
export type FileTree<E extends FileEntry = FileEntry> = readonly E[];

const CONTROL = /[\u0000-\u001f\u007f]/;

/** What is wrong with `path` whatever the format, or undefined. Names end up in an index with one line a file. */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "the empty path names no file";
  if (CONTROL.test(path)) return `${JSON.stringify(path)}: a control character in a name (line break, tab, NUL)`;
  if (!path.isWellFormed()) return `${JSON.stringify(path)}: the name is not valid Unicode`;
  for (const segment of path.split("/")) {
    if (segment === "") return `${path}: an empty segment (leading, trailing or doubled "/")`;
    if (segment === "." || segment === "..") return `${path}: a "${segment}" segment, which no reader resolves`;
  }
  return undefined;
}

/**
 * Every reason why these entries are not a tree: bad names, duplicates, a file that is also a directory. Expects them
 * sorted.
 */
export function treeProblems(tree: FileTree): string[] {
  const problems: string[] = [];
  const files = new Set<string>();
  for (const { path } of tree) {
    const problem = pathProblem(path);
    if (problem) problems.push(problem);
    if (files.has(path)) problems.push(`${path}: listed twice`);
    files.add(path);
  }
  const reported = new Set<string>();
  for (const { path } of tree) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      const prefix = path.slice(0, slash);
      if (!files.has(prefix) || reported.has(prefix)) continue;
      reported.add(prefix);
      problems.push(`${prefix}: both a file and the directory of ${path}`);
    }
  }
  return problems;
}

/** The entries in image order. */
export function sortTree<E extends FileEntry>(entries: readonly E[]): FileTree<E> {
  return entries.toSorted((a, b) => compareBytewise(a.path, b.path));
}
