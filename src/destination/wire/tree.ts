/** Trees read and written as git does (gitformat-objects). Pure; what is read is hostile. */
import type { TreeEntry } from "../../util/git.ts";
import { type GitObject, objectId } from "./object.ts";
import { WireRefusal } from "./transport.ts";

/** Objects that are at hand, by id. */
export type Objects = ReadonlyMap<string, GitObject>;

const DIRECTORY = "40000";
/** Trees that name each other over and over could make any number of paths. */
const MAX_PATHS = 4_000_000;
/** No site is nested so deep, and each directory within another takes of the stack. */
const MAX_DEPTH = 500;

/** Calls back for each entry of a tree, in order: its mode, and where its name begins and ends; the id is behind that. */
function eachEntry(bytes: Buffer, take: (mode: string, start: number, end: number) => void): void {
  for (let at = 0; at < bytes.length; ) {
    let space = at;
    while (space < bytes.length && bytes[space] !== 0x20) space++;
    let end = space;
    while (end < bytes.length && bytes[end] !== 0) end++;
    if (end + 21 > bytes.length) throw new WireRefusal("a tree that ends early");
    take(modeAt(bytes, at, space), space + 1, end);
    at = end + 21;
  }
}

const USUAL_MODES = ["100644", DIRECTORY].map((mode) => ({ mode, bytes: Buffer.from(mode) }));

/** Without a new text for each of a site's files. */
function modeAt(bytes: Buffer, start: number, end: number): string {
  for (const usual of USUAL_MODES) if (usual.bytes.compare(bytes, start, end) === 0) return usual.mode;
  return bytes.toString("latin1", start, end);
}

const idAt = (bytes: Buffer, end: number) => bytes.toString("hex", end + 1, end + 21);

/** The entries of one tree, by name (latin1 of its bytes, so that any name survives). */
function parseTree(bytes: Buffer): Map<string, TreeEntry> {
  const entries = new Map<string, TreeEntry>();
  eachEntry(bytes, (mode, start, end) => {
    entries.set(bytes.toString("latin1", start, end), { mode, id: idAt(bytes, end) });
  });
  return entries;
}

function treeBytes(objects: Objects, id: string): Buffer {
  const tree = objects.get(id);
  if (tree?.type === "tree") return tree.bytes;
  throw new WireRefusal(`tree ${id} is not at hand`);
}

const decode = (name: string) => Buffer.from(name, "latin1").toString("utf8");
const encode = (name: string) => Buffer.from(name, "utf8").toString("latin1");

/** Every file below a tree, by full path. Throws WireRefusal where a tree is missing. */
export function listFiles(objects: Objects, root: string): Map<string, TreeEntry> {
  const files = new Map<string, TreeEntry>();
  let looked = 0;
  const visit = (tree: string, prefix: string, depth: number) => {
    refuseDeep(depth);
    const bytes = treeBytes(objects, tree);
    eachEntry(bytes, (mode, start, end) => {
      if (++looked > MAX_PATHS) throw new WireRefusal(`more than ${MAX_PATHS} files`);
      const path = prefix + bytes.toString("utf8", start, end);
      const id = idAt(bytes, end);
      if (mode === DIRECTORY) visit(id, `${path}/`, depth + 1);
      else files.set(path, { mode, id });
    });
  };
  visit(root, "", 0);
  return files;
}

function refuseDeep(depth: number): void {
  if (depth > MAX_DEPTH) throw new WireRefusal(`directories more than ${MAX_DEPTH} deep`);
}

/** The ids of a tree and all trees below it. Throws WireRefusal where one is missing. */
export function listTrees(objects: Objects, root: string): Set<string> {
  const ids = new Set<string>();
  const visit = (id: string, depth: number) => {
    if (ids.has(id)) return;
    refuseDeep(depth);
    ids.add(id);
    for (const below of listTreeIds(treeBytes(objects, id))) visit(below, depth + 1);
  };
  visit(root, 0);
  return ids;
}

/** The directories that a tree names. */
export function listTreeIds(bytes: Buffer): string[] {
  const ids: string[] = [];
  eachEntry(bytes, (mode, _start, end) => {
    if (mode === DIRECTORY) ids.push(idAt(bytes, end));
  });
  return ids;
}

/** The names in a directory; none where there is no directory of that path. */
export function listNames(objects: Objects, root: string, directory: string): readonly string[] {
  let at = root;
  for (const segment of directory.split("/")) {
    const found = parseTree(treeBytes(objects, at)).get(encode(segment));
    if (found?.mode !== DIRECTORY) return [];
    at = found.id;
  }
  return [...parseTree(treeBytes(objects, at)).keys()].map(decode);
}

/** The file at a path; undefined where there is none, or something else. */
export function findFile(objects: Objects, root: string, path: string): TreeEntry | undefined {
  const found = findEntries(objects, root, path)?.at(-1);
  return found && /^100(?:644|755)$/.test(found.mode) ? found : undefined;
}

/** What lies on the way to a path, from the root to what is there; undefined where nothing is. */
export function findEntries(objects: Objects, root: string, path: string): readonly TreeEntry[] | undefined {
  const way: TreeEntry[] = [{ mode: DIRECTORY, id: root }];
  for (const segment of path.split("/")) {
    const { mode, id } = way.at(-1) as TreeEntry;
    const found = mode === DIRECTORY ? parseTree(treeBytes(objects, id)).get(encode(segment)) : undefined;
    if (!found) return undefined;
    way.push(found);
  }
  return way;
}

/** A tree that was made, and the one that stood in its place, which it resembles. */
export interface MadeTree {
  readonly id: string;
  readonly object: GitObject;
  readonly before: string | undefined;
}

export interface TreeChanges {
  readonly removed: readonly string[];
  readonly added: readonly { readonly path: string; readonly id: string }[];
}

interface Changes {
  readonly removed: Set<string>;
  readonly added: Map<string, string>;
  readonly below: Map<string, Changes>;
}

/** The tree with these changes: its id and the trees that are new. Only directories that change are looked at. */
export function changeTree(
  objects: Objects,
  root: string | undefined,
  changes: TreeChanges,
): { readonly id: string; readonly made: readonly MadeTree[] } {
  const top = emptyChanges();
  for (const path of changes.removed) {
    const { at, name } = descend(top, path);
    at.removed.add(name);
  }
  for (const { path, id } of changes.added) {
    const { at, name } = descend(top, path);
    at.added.set(name, id);
  }
  const made: MadeTree[] = [];
  const write = (before: string | undefined, { removed, added, below }: Changes): string | undefined => {
    const entries = before === undefined ? new Map<string, TreeEntry>() : parseTree(treeBytes(objects, before));
    // Removals first: a path may turn from a file into a directory, or the other way round.
    for (const name of removed) if (entries.get(name)?.mode !== DIRECTORY) entries.delete(name);
    for (const [name, inner] of below) {
      const old = entries.get(name);
      const id = write(old?.mode === DIRECTORY ? old.id : undefined, inner);
      if (id !== undefined) entries.set(name, { mode: DIRECTORY, id });
      else if (old?.mode === DIRECTORY) entries.delete(name);
    }
    for (const [name, id] of added) entries.set(name, { mode: "100644", id });
    if (entries.size === 0) return undefined;
    const object: GitObject = { type: "tree", bytes: encodeTree(entries) };
    const id = objectId(object);
    if (id !== before) made.push({ id, object, before });
    return id;
  };
  const id = write(root, top);
  if (id !== undefined) return { id, made };
  const empty: GitObject = { type: "tree", bytes: Buffer.alloc(0) };
  return { id: objectId(empty), made: [{ id: objectId(empty), object: empty, before: undefined }] };
}

const emptyChanges = (): Changes => ({ removed: new Set(), added: new Map(), below: new Map() });

function descend(top: Changes, path: string): { at: Changes; name: string } {
  const segments = encode(path).split("/");
  const name = segments.pop() as string;
  let at = top;
  for (const segment of segments) {
    let next = at.below.get(segment);
    if (!next) at.below.set(segment, (next = emptyChanges()));
    at = next;
  }
  return { at, name };
}

/** Git sorts a directory as if its name ended in a slash; latin1 text sorts as its bytes do. */
function encodeTree(entries: ReadonlyMap<string, TreeEntry>): Buffer {
  const keyed = [...entries].map(([name, entry]) => ({
    name,
    ...entry,
    key: entry.mode === DIRECTORY ? `${name}/` : name,
  }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  return Buffer.concat(
    keyed.flatMap(({ name, mode, id }) => [Buffer.from(`${mode} ${name}\0`, "latin1"), Buffer.from(id, "hex")]),
  );
}
