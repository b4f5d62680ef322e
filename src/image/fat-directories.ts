/** The directories of a tree as FAT will hold them: which names each has, and how many entries they take. Pure. */
import { ENTRY, putDots, putEntry, type Target } from "./fat-entries.ts";
import { type FatName, fatNameProblem, foldCase, longSlots, type NameRules, shortNames } from "./fat-names.ts";
import type { FileTree } from "./tree.ts";

/** Readers give up after 65,536 entries, 2 MiB of a directory. */
const MAX_ENTRIES = 65_536;

/** A directory and what is in it, in the order of the tree. */
export interface FatDirectory {
  /** "a/b", or "" for the root. */
  readonly path: string;
  readonly parent: FatDirectory | undefined;
  readonly children: readonly FatChild[];
  /** Entries on disk, those for "." and ".." included. */
  readonly entries: number;
}

export interface FatChild {
  readonly name: FatName;
  /** The number of the file in the tree, or the directory. */
  readonly is: number | FatDirectory;
}

interface Draft {
  readonly path: string;
  readonly parent: Draft | undefined;
  readonly names: string[];
  readonly is: (number | Draft)[];
}

export interface FatTree {
  /** Every directory after its parent, the root first. */
  readonly directories: readonly FatDirectory[];
  /** Each name that cannot be carried, once. */
  readonly problems: readonly string[];
}

/** Sorts the files of a tree into directories and names what FAT cannot hold. */
export function fatTree(tree: FileTree, rules: NameRules): FatTree {
  const problems: string[] = [];
  const made = new Map<Draft, { -readonly [K in keyof FatDirectory]: FatDirectory[K] }>();
  const drafts = drafted(tree);
  for (const draft of drafts) {
    problems.push(...nameProblems(draft, rules));
    const parent = draft.parent && made.get(draft.parent);
    made.set(draft, { path: draft.path, parent, children: [], entries: 0 });
  }
  // With bad names there is no telling what short names would be.
  if (problems.length > 0) return { directories: [], problems };
  for (const draft of drafts) {
    const directory = made.get(draft) as { -readonly [K in keyof FatDirectory]: FatDirectory[K] };
    const names = shortNames(draft.names);
    directory.children = draft.is.map((is, i) => ({
      name: names[i] as FatName,
      is: typeof is === "number" ? is : (made.get(is) as FatDirectory),
    }));
    const slots = names.reduce((sum, name) => sum + 1 + longSlots(name, rules), 0);
    directory.entries = slots + (draft.parent ? 2 : 0);
    if (directory.entries > MAX_ENTRIES) {
      problems.push(
        `${draft.path || "the root directory"}: ${draft.names.length} names need ${directory.entries} entries, a FAT directory holds ${MAX_ENTRIES}`,
      );
    }
  }
  return { directories: [...made.values()], problems };
}

function drafted(tree: FileTree): readonly Draft[] {
  const byPath = new Map<string, Draft>();
  const draftOf = (path: string): Draft => {
    const known = byPath.get(path);
    if (known) return known;
    const slash = path.lastIndexOf("/");
    const parent = path === "" ? undefined : draftOf(slash < 0 ? "" : path.slice(0, slash));
    const draft: Draft = { path, parent, names: [], is: [] };
    byPath.set(path, draft);
    parent?.names.push(path.slice(slash + 1));
    parent?.is.push(draft);
    return draft;
  };
  draftOf("");
  tree.forEach(({ path }, file) => {
    const slash = path.lastIndexOf("/");
    const directory = draftOf(slash < 0 ? "" : path.slice(0, slash));
    directory.names.push(path.slice(slash + 1));
    directory.is.push(file);
  });
  return [...byPath.values()];
}

function* nameProblems({ path, names }: Draft, rules: NameRules): Generator<string> {
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
  targetOf: (child: FatChild) => Target,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(directory.entries * ENTRY));
  let at = directory.parent ? putDots(view, clusters.own, clusters.parent) : 0;
  for (const child of directory.children) at = putEntry(view, at, child.name, targetOf(child), rules);
  return new Uint8Array(view.buffer);
}
