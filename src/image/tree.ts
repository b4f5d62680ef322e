/**
 * The site as an image format sees it: regular files only, each with a path and a size, sorted bytewise. Where the
 * bytes come from is not the format's business, so a format can be tested without a disk. Pure.
 */
import { compareBytewise } from "../util/bytes.ts";

/** The name of a file: relative, separated by `/`. */
export interface FileName {
  readonly path: string;
}

/** One regular file. `size` is in bytes, exact up to 2^53 - 1. */
export interface FileEntry extends FileName {
  readonly size: number;
}

/** Sorted bytewise by path, without duplicates. */
export type FileTree<E extends FileEntry = FileEntry> = readonly E[];

/** Whether `path` may have a problem; says no, and quickly, of nearly every path there is. */
function isSuspect(path: string): boolean {
  if (path.length > LONGEST_PATH) return true;
  let before = SLASH;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code < 0x20 || code === 0x7f || (code & 0xf800) === 0xd800) return true;
    if (before === SLASH && (code === SLASH || code === DOT)) return true;
    before = code;
  }
  return before === SLASH;
}

/**
 * PATH_MAX of Linux: no program there opens a file with more bytes of path. It bounds how deep directories are, too, and
 * with that the stack and memory which a hostile index or image costs.
 */
const LONGEST_PATH = 4096;
const SLASH = 0x2f;
const DOT = 0x2e;

const CONTROL = /[\u0000-\u001f\u007f]/;

/** What is wrong with `path` whatever the format, or undefined. Names end up in an index with one line a file. */
export function pathProblem(path: string): string | undefined {
  if (!isSuspect(path)) return undefined;
  if (path === "") return "the empty path names no file";
  if (path.length > LONGEST_PATH) {
    const start = JSON.stringify(path.slice(0, 60));
    return `${start}…: ${path.length} characters of path; nothing opens a file with more than ${LONGEST_PATH}`;
  }
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
  const bothThings: string[] = [];
  let previous: string | undefined;
  /** Files that the path begins with, each beginning with the one before: sorted, what lies below one comes soon after. */
  const begun: string[] = [];
  const reported = new Set<string>();
  for (const { path } of tree) {
    const problem = pathProblem(path);
    if (problem) problems.push(problem);
    if (path === previous) problems.push(`${path}: listed twice`);
    previous = path;
    while (begun.length > 0 && !path.startsWith(begun.at(-1) as string)) begun.pop();
    for (const file of begun) {
      if (path.charCodeAt(file.length) !== SLASH || reported.has(file)) continue;
      reported.add(file);
      bothThings.push(`${file}: both a file and the directory of ${path}`);
    }
    if (begun.at(-1) !== path) begun.push(path);
  }
  return [...problems, ...bothThings];
}

/** The entries in image order. */
export function sortTree<E extends FileName>(entries: readonly E[]): readonly E[] {
  return entries.toSorted((a, b) => compareBytewise(a.path, b.path));
}
