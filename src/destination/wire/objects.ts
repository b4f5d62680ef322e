/** The objects of a push: commits, trees and tags that were made here, and the files the server does not have. */
import { chunks } from "../blob-stream.ts";
import { contentSize, type RepositoryFile } from "../contents.ts";
import { treeDelta } from "./delta.ts";
import { type GitObject, headerField } from "./object.ts";
import type { PackObject } from "./pack.ts";
import { listTreeIds } from "./tree.ts";

/** An object that was made here; of a tree: the one that stood in its place, which the server has. */
export interface MadeObject {
  readonly object: GitObject;
  readonly before?: { readonly id: string; readonly bytes: Buffer } | undefined;
}

/** What was made here and is reached from these ids. */
export function reachedObjects(made: ReadonlyMap<string, MadeObject>, from: readonly string[]): MadeObject[] {
  const found = new Map<string, MadeObject>();
  const visit = (id: string | undefined) => {
    const item = id === undefined || found.has(id) ? undefined : made.get(id);
    if (id === undefined || !item) return;
    found.set(id, item);
    const { object } = item;
    if (object.type === "tag") visit(headerField(object, "object"));
    if (object.type === "commit") for (const field of ["tree", "parent"]) visit(headerField(object, field));
    if (object.type === "tree") for (const below of listTreeIds(object.bytes)) visit(below);
  };
  for (const id of from) visit(id);
  return [...found.values()];
}

export function packObjects(
  made: readonly MadeObject[],
  blobs: readonly RepositoryFile[],
  deltas: ReadonlyMap<string, PackObject>,
): readonly PackObject[] {
  const files = new Map(blobs.map(({ id, content }) => [id, content]));
  return [
    ...made.map(madeObject),
    ...[...files].map(
      ([id, content]): PackObject =>
        deltas.get(id) ?? { type: "blob", size: contentSize(content), chunks: () => chunks(content) },
    ),
  ];
}

/** A tree with fewer bytes than this is not worth a delta. */
const SMALL_TREE = 256;

/** A tree as what changed of the one that stood in its place; everything else whole. */
function madeObject({ object: { type, bytes }, before }: MadeObject): PackObject {
  const whole: PackObject = { type, size: bytes.length, chunks: () => [bytes] };
  if (!before || bytes.length < SMALL_TREE) return whole;
  const delta = treeDelta(before.bytes, bytes);
  return delta.length < bytes.length / 2 ? { type: "delta", base: before.id, delta: () => delta } : whole;
}
