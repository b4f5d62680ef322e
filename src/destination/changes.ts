/** What a deploy changes in a tree: files added, files of the release before that go, bytes the repository lacks. Pure. */
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import { blobId } from "../util/digest.ts";
import type { TreeEntry } from "../util/git.ts";
import type { RepositoryFile } from "./contents.ts";
import { deploymentReadme } from "./readme.ts";

export interface Changes {
  /** Files that are new or other than at the tip, by full path. */
  readonly added: readonly RepositoryFile[];
  readonly removed: readonly string[];
  /** Those of the added whose bytes the repository has nowhere in its tip. */
  readonly newBlobs: readonly RepositoryFile[];
  /** Files of others that stand where a directory of ours must be, or directories where a file must be. */
  readonly inTheWay: readonly string[];
}

type Tree = ReadonlyMap<string, TreeEntry>;

/**
 * The changes that make `tree` hold `files` below `prefix` ("" or "dir/"). What `current`, the release there now, put
 * there and the new one does not have goes; what others put there stays.
 */
export function releaseChanges(
  files: readonly RepositoryFile[],
  name: string,
  place: { readonly prefix: string; readonly tree: Tree; readonly current: ReleaseManifest | undefined },
): Changes {
  const { prefix, tree, current } = place;
  const placed = files.map(({ path, id, content }) => ({ path: prefix + path, id, content }));
  const readme = `${prefix}README.md`;
  if (!tree.has(readme)) placed.push(readmeFile(readme, name));
  const wanted = new Set(placed.map(({ path }) => path));
  const removed: string[] = [];
  const kept: string[] = [];
  for (const path of tree.keys()) {
    if (!wanted.has(path)) (isOurs(path, prefix, current) ? removed : kept).push(path);
  }
  return { ...difference(placed, tree), removed, inTheWay: collisions(wanted, kept) };
}

/** The changes that make `tree` hold these files and nothing else. */
export function wholeTreeChanges(files: readonly RepositoryFile[], tree: Tree): Changes {
  const wanted = new Set(files.map(({ path }) => path));
  return { ...difference(files, tree), removed: [...tree.keys()].filter((path) => !wanted.has(path)), inTheWay: [] };
}

/** Of what is kept: files that are a directory of the wanted, and directories that are a file of the wanted. */
function collisions(wanted: ReadonlySet<string>, kept: readonly string[]): string[] {
  // Of a site's many files nearly none is below a name at the top that others have, too.
  const tops = new Set(kept.map(topOf));
  const files = new Set<string>();
  const others = new Set(kept);
  for (const path of wanted) {
    if (!tops.has(topOf(path))) continue;
    for (const parent of parentsOf(path)) if (others.has(parent)) files.add(parent);
  }
  const taken = new Set(kept.flatMap((path) => parentsOf(path).filter((parent) => wanted.has(parent))));
  return [...files, ...taken];
}

function topOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? path : path.slice(0, slash);
}

function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1))
    parents.push(path.slice(0, slash));
  return parents;
}

function difference(files: readonly RepositoryFile[], tree: Tree): Pick<Changes, "added" | "newBlobs"> {
  const added = files.filter(({ path, id }) => !isPlain(tree.get(path), id));
  const unknown = new Set(added.map(({ id }) => id));
  for (const { id } of tree.values()) unknown.delete(id);
  return { added, newBlobs: added.filter(({ id }) => unknown.has(id)) };
}

const isPlain = (entry: TreeEntry | undefined, id: string) => entry?.id === id && entry.mode === "100644";

function readmeFile(path: string, name: string): RepositoryFile {
  const bytes = Buffer.from(deploymentReadme(name));
  return { path, id: blobId(bytes), content: { bytes } };
}

/** Whether the release now deployed put this file there. */
function isOurs(path: string, prefix: string, current: ReleaseManifest | undefined): boolean {
  if (!current || !path.startsWith(prefix)) return false;
  const local = path.slice(prefix.length);
  if (local === "manifest.json.sig") return true;
  if (current.files?.some((file) => file.path === local)) return true;
  if (current.kernels.some((kernel) => kernel.path === local)) return true;
  return current.volumes.filter(isDataVolume).some(({ name }) => {
    const base = `volumes/${name}`;
    if (local === `${base}.img` || local === `${base}.index`) return true;
    return OUR_TREES.some((tree) => local.startsWith(base + tree));
  });
}

const OUR_TREES = ["/", ".parts/", ".img.parts/"];
