/** The releases of a branch, newest first, as far as their objects are at hand. Pure; what is read is hostile. */
import { type GitObject, headerField } from "./object.ts";
import { findEntries, type Objects } from "./tree.ts";
import { WireRefusal } from "./transport.ts";

export interface Ancestor {
  readonly manifest: Buffer;
  /** The objects by which it is known: a commit, the trees on the way to its manifest, and that. */
  readonly ids: readonly string[];
}

/** At most so many; ends where an object is missing, or a commit has no file of that path. */
export function lineage(objects: Objects, newest: string, manifestPath: string, most: number): readonly Ancestor[] {
  const line: Ancestor[] = [];
  for (let id: string | undefined = newest; id !== undefined && line.length < most; ) {
    const commit: GitObject | undefined = objects.get(id);
    if (commit?.type !== "commit") break;
    const way = wayTo(objects, headerField(commit, "tree") ?? "", manifestPath);
    const manifest = objects.get(way?.at(-1) ?? "");
    if (!way || manifest?.type !== "blob") break;
    line.push({ manifest: manifest.bytes, ids: [id, ...way] });
    id = headerField(commit, "parent");
  }
  return line;
}

function wayTo(objects: Objects, tree: string, path: string): readonly string[] | undefined {
  try {
    return findEntries(objects, tree, path)?.map(({ id }) => id);
  } catch (error) {
    if (error instanceof WireRefusal) return undefined;
    throw error;
  }
}
