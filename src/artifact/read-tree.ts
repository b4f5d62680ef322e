/**
 * A directory as a sorted tree of regular files. The policy on links, special files and names lives here: a volume holds
 * what a browser can ask for, so links are followed while they stay inside the site and everything else is refused.
 */
import { type Dirent, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { type FileTree, pathProblem, sortTree } from "../image/tree.ts";
import { sortBytewise } from "../util/bytes.ts";
import { isSystemError } from "../util/files.ts";
import { type NamedFile, SiteNames } from "./site-names.ts";

/** A file of the site, where its bytes are, and how many. */
export interface SiteFile extends NamedFile {
  readonly size: number;
}

export interface Site {
  /** Sorted bytewise; their root is the directory, absolute and without links. */
  readonly names: SiteNames;
  /** Directories without any file below them: no volume carries those. */
  readonly emptyDirectories: readonly string[];
}

/** From so many files on a site is large enough for `onMany`: they are found in a millisecond or two. */
export const MANY_FILES = 1000;

/**
 * Reads names, no content and no sizes. Calls `onMany` early when there are many files. Throws SITE_UNREADABLE with every
 * problem there is.
 */
export function readSite(directory: string, onMany?: () => void): Site {
  const walk = new Walk(rootOf(directory), onMany);
  walk.directory(walk.root, "", [walk.root]);
  refuse(directory, walk.problems);
  if (walk.names.count === 0) {
    throw new DeployError("SITE_UNREADABLE", `${directory} holds no files`, {
      hint: "did the build run, and does it write here?",
    });
  }
  return { names: walk.sorted(), emptyDirectories: walk.empty };
}

/** Looks up the sizes. Throws SITE_UNREADABLE with every file that cannot be had. */
export function sizesOf(names: Iterable<NamedFile>): FileTree<SiteFile> {
  const problems: string[] = [];
  const sized: SiteFile[] = [];
  for (const file of names) {
    const name = file.path;
    try {
      const stat = statSync(file.source, { throwIfNoEntry: false });
      if (stat?.isFile()) sized.push(new SizedFile(file, stat.size));
      else problems.push(`${name}: vanished while the site was read`);
    } catch (error) {
      problems.push(`${name}: cannot be read (${reasonOf(error)})`);
    }
  }
  refuse("the site", problems);
  return sized;
}

function refuse(directory: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const n = problems.length;
  throw new DeployError("SITE_UNREADABLE", `${directory}: ${n} ${n === 1 ? "entry" : "entries"} a volume cannot hold`, {
    problems,
    hint: "remove or replace what is listed; links are followed only while they stay inside the directory",
  });
}

function rootOf(directory: string): string {
  try {
    const root = realpathSync(directory);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "ENAMETOOLONG")) throw error;
    throw new DeployError("SITE_UNREADABLE", `${directory}: no such directory, or not readable`, {
      hint: "name the directory the build writes the site to",
      cause: error,
    });
  }
  throw new DeployError("SITE_UNREADABLE", `${directory} is not a directory`, {
    hint: "a data volume is made from a directory",
  });
}

class SizedFile implements SiteFile {
  readonly path: string;
  readonly size: number;
  readonly #found: NamedFile;

  constructor(found: NamedFile, size: number) {
    this.path = found.path;
    this.size = size;
    this.#found = found;
  }

  get source(): string {
    return this.#found.source;
  }
}

/** A site has a handful of linked directories; this many is a few seconds' work. */
const MAX_LINKED = 10_000;

/** What no name of a file is about to have: control characters, and what is read where a name is not UTF-8. */
const SUSPECT = /[\u0000-\u001f\u007f\ufffd]/;

/** A directory that is being read. */
interface Folder {
  /** Absolute. */
  readonly directory: string;
  /** What it is called in the volume: "a/b/" or "". */
  readonly prefix: string;
  /** This and those above it. */
  readonly parents: readonly string[];
  /** Whether no link was followed to it. */
  readonly isInPlace: boolean;
  /** Names in it, as they are read, that are not UTF-8 on disk. */
  readonly misspelt: ReadonlySet<string> | undefined;
}

class Walk {
  readonly root: string;
  readonly names: SiteNames;
  readonly problems: string[] = [];
  readonly empty: string[] = [];

  #linked = 0;
  readonly #onMany: (() => void) | undefined;

  constructor(root: string, onMany: (() => void) | undefined) {
    this.root = root;
    this.names = new SiteNames(root);
    this.#onMany = onMany;
  }

  /** Sorted bytewise: so they were found, but for linked directories, which sort as if they were files. */
  sorted(): SiteNames {
    return this.#linked === 0 ? this.names : new SiteNames(this.root, sortTree([...this.names]));
  }

  /** Links that lead to directories with links make a site grow without end, though none of them loops. */
  #countLink(): void {
    if (++this.#linked <= MAX_LINKED) return;
    throw new DeployError("SITE_UNREADABLE", `${this.root}: more than ${MAX_LINKED} directories are reached by links`, {
      hint: "do linked directories hold links to further ones? Each way to a file is a file of the volume",
    });
  }

  /** Collects what is below `directory` (absolute), called `prefix` ("a/b/" or "") in the volume. */
  directory(directory: string, prefix: string, parents: readonly string[]): void {
    let entries: Dirent[];
    try {
      entries = readdirSync(directory, { withFileTypes: true });
    } catch (error) {
      this.problems.push(`${prefix || directory}: cannot be read (${reasonOf(error)})`);
      return;
    }
    if (entries.length === 0 && prefix !== "") this.empty.push(prefix.slice(0, -1));
    const { names, all, others, areFiles } = sortEntries(entries);
    // Of paths in a directory that is as it should be, the names are all there is to look at; all at once that costs little.
    const isClean = pathProblem(`${prefix}name`) === undefined && !SUSPECT.test(all);
    const misspelt = all.includes("\ufffd") ? misspeltIn(directory) : undefined;
    const folder = { directory, prefix, parents, misspelt, isInPlace: `${directory}/` === `${this.root}/${prefix}` };
    if (isClean && areFiles) return this.#addFiles(names, folder);
    let first = 0;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      if (isClean && !name.endsWith("/") && !others.has(name)) continue;
      this.#addFiles(names.slice(first, i), folder);
      this.#addEntry(name, others.get(name), folder);
      first = i + 1;
    }
    this.#addFiles(names.slice(first), folder);
  }

  #addEntry(key: string, other: Dirent | undefined, folder: Folder): void {
    const isDirectory = key.endsWith("/");
    const name = isDirectory ? key.slice(0, -1) : key;
    const path = folder.prefix + name;
    const source = `${folder.directory}/${name}`;
    if (folder.misspelt?.has(name)) {
      this.problems.push(`${JSON.stringify(path)}: the name is not UTF-8, no link on a page can name it`);
    } else if (isDirectory) this.directory(source, `${path}/`, [...folder.parents, source]);
    else if (other?.isSymbolicLink()) this.link(path, source, folder.parents);
    else if (other) this.problems.push(`${path}: a ${kindOf(other)}, which no volume can hold`);
    else {
      this.#judge(path);
      this.#addFiles([name], folder);
    }
  }

  #addFiles(names: readonly string[], { prefix, directory, isInPlace }: Folder): void {
    this.#add(prefix, names, isInPlace ? undefined : (name) => `${directory}/${name}`);
  }

  #judge(path: string): void {
    const problem = pathProblem(path);
    if (problem) this.problems.push(problem);
  }

  #add(prefix: string, names: readonly string[], sourceOf: ((name: string) => string) | undefined): void {
    const before = this.names.count;
    this.names.add(prefix, names, sourceOf);
    if (before < MANY_FILES && this.names.count >= MANY_FILES) this.#onMany?.();
  }

  link(name: string, source: string, parents: readonly string[]): void {
    let target: string;
    try {
      target = realpathSync(source);
    } catch (error) {
      if (!isSystemError(error, "ENOENT", "ELOOP", "EACCES", "ENOTDIR", "ENAMETOOLONG")) throw error;
      const loops = isSystemError(error, "ELOOP");
      this.problems.push(`${name}: a symbolic link ${loops ? "that loops" : "to nothing that can be read"}`);
      return;
    }
    if (!isInside(this.root, target)) {
      this.problems.push(`${name}: a symbolic link that leaves the site (to ${target})`);
      return;
    }
    const stat = statSync(target);
    if (stat.isFile()) {
      this.#judge(name);
      this.#add("", [name], () => target);
    } else if (!stat.isDirectory())
      this.problems.push(`${name}: a link to a ${kindOf(stat)}, which no volume can hold`);
    else if (parents.some((parent) => isInside(target, parent))) {
      this.problems.push(`${name}: a symbolic link that loops (to a directory above itself)`);
    } else {
      this.#countLink();
      this.directory(target, `${name}/`, [...parents, target]);
    }
  }
}

/**
 * Names in the order of the image, those of directories with a "/", also joined, and by name what is neither a file nor a
 * directory; whether all are files.
 */
function sortEntries(entries: readonly Dirent[]) {
  const names: string[] = [];
  const others = new Map<string, Dirent>();
  let areFiles = true;
  for (const entry of entries) {
    const { name } = entry;
    if (entry.isFile()) {
      names.push(name);
      continue;
    }
    areFiles = false;
    const isDirectory = entry.isDirectory();
    names.push(isDirectory ? `${name}/` : name);
    if (!isDirectory) others.set(name, entry);
  }
  const all = names.join("");
  // Within a directory that costs little, and of whole paths a lot.
  sortBytewise(names, all);
  return { names, all, others, areFiles };
}

/** Why the system did not do it; anything else is a fault of ours. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && "syscall" in error && "code" in error) return String(error.code);
  throw error;
}

export const isInside = (root: string, target: string) => target === root || target.startsWith(root + path.sep);

/** Names as they are read of those that are not UTF-8 on disk: what is no character in them is read as U+FFFD. */
function misspeltIn(directory: string): Set<string> {
  const names = readdirSync(directory, { encoding: "buffer" });
  return new Set(names.filter((name) => !Buffer.from(name.toString()).equals(name)).map((name) => name.toString()));
}

function kindOf(entry: Dirent | Stats): string {
  if (entry.isFIFO()) return "fifo";
  if (entry.isSocket()) return "socket";
  if (entry.isBlockDevice() || entry.isCharacterDevice()) return "device";
  return "special file";
}
