/** The directories of a tree as FAT will hold them: which names each has, and how many entries they take. Pure. */
import { ENTRY, putDots, putEntry, type Target } from "./fat-entries.ts";
import { fatNameProblem, foldCase, longSlots, type NameRules, shortNames } from "./fat-names.ts";
import type { FileTree } from "./tree.ts";

/** Readers give up after 65,536 entries, 2 MiB of a directory. */
const MAX_ENTRIES = 65_536;

/** A directory and what is in it, in the order of the tree. */
export interface FatDirectory {
  /** "a/b", or "" for the root. */
  readonly path: string;
  readonly parent: FatDirectory | undefined;
  readonly names: readonly string[];
  /** What each name is: the number of the file in the tree, or a directory. */
  readonly children: readonly (number | FatDirectory)[];
  /** Entries on disk, those for "." and ".." included. */
  readonly entries: number;
}

interface Draft extends FatDirectory {
  readonly names: string[];
  readonly children: (number | FatDirectory)[];
  entries: number;
}

export interface FatTree {
  /** Every directory after its parent, the root first. */
  readonly directories: readonly FatDirectory[];
  /** Each name that cannot be carried, once. */
  readonly problems: readonly string[];
}

/** Sorts the files of a tree into directories and names what FAT cannot hold. */
export function fatTree(tree: FileTree, rules: NameRules): FatTree {
  const directories = sorted(tree, rules);
  const problems: string[] = [];
  for (const directory of directories) {
    problems.push(...nameProblems(directory, rules));
    if (directory.entries <= MAX_ENTRIES) continue;
    problems.push(
      `${directory.path || "the root directory"}: ${directory.names.length} names need ${directory.entries} entries, a FAT directory holds ${MAX_ENTRIES}`,
    );
  }
  return { directories, problems };
}

function sorted(tree: FileTree, rules: NameRules): readonly FatDirectory[] {
  const byPath = new Map<string, Draft>();
  const add = (directory: Draft, name: string, child: number | FatDirectory) => {
    directory.names.push(name);
    directory.children.push(child);
    directory.entries += 1 + longSlots(name, rules);
  };
  const directoryAt = (path: string): Draft => {
    const known = byPath.get(path);
    if (known) return known;
    const slash = path.lastIndexOf("/");
    const parent = path === "" ? undefined : directoryAt(slash < 0 ? "" : path.slice(0, slash));
    const made: Draft = { path, parent, names: [], children: [], entries: parent ? 2 : 0 };
    byPath.set(path, made);
    if (parent) add(parent as Draft, path.slice(slash + 1), made);
    return made;
  };
  directoryAt("");
  tree.forEach(({ path }, file) => {
    const slash = path.lastIndexOf("/");
    add(directoryAt(slash < 0 ? "" : path.slice(0, slash)), path.slice(slash + 1), file);
  });
  return [...byPath.values()];
}

function* nameProblems({ path, names }: FatDirectory, rules: NameRules): Generator<string> {
  const at = path === "" ? "" : `${path}/`;
  const seen = new Map<string, string>();
  for (const name of names) {
    const problem = fatNameProblem(name, rules);
    if (problem) yield `${at}${name}: ${problem}`;
    const folded = foldCase(name);
    const twin = seen.get(folded);
    if (twin !== undefined) yield `${at}${name}: the same name as ${at}${twin} to FAT, which ignores case`;
    else seen.set(folded, name);
  }
}

/** The bytes of a directory, without padding. `targetOf` tells where a child's content is. */
export function directoryBytes(
  directory: FatDirectory,
  rules: NameRules,
  clusters: { readonly own: number; readonly parent: number },
  targetOf: (child: number | FatDirectory) => Target,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(directory.entries * ENTRY));
  let at = directory.parent ? putDots(view, clusters.own, clusters.parent) : 0;
  // Made only now: names are most of what a large site would have to keep in memory.
  const short = shortNames(directory.names);
  directory.names.forEach((long, i) => {
    const target = targetOf(directory.children[i] as number | FatDirectory);
    at = putEntry(view, at, { long, short: short[i] as string }, target, rules);
  });
  return new Uint8Array(view.buffer);
}
