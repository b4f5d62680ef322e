/** The objects of a push: what git made here (commits, trees, tags), and the files the server does not have. */
import { chunks } from "../blob-stream.ts";
import { contentSize, type RepositoryFile } from "../contents.ts";
import type { GitObject, RefUpdate, WorkRepository } from "../work-repository.ts";
import { trimDelta } from "./delta.ts";
import type { PackObject } from "./pack.ts";

export interface PackInputs {
  readonly updates: readonly RefUpdate[];
  /** The branch's tip, whose trees the new ones resemble. */
  readonly tip: string;
  /** Objects the server has, with all they reach. */
  readonly without: readonly string[];
  readonly blobs: readonly RepositoryFile[];
  /** Blobs that go as deltas, by id. */
  readonly deltas: ReadonlyMap<string, PackObject>;
}

export async function packObjects(work: WorkRepository, inputs: PackInputs): Promise<readonly PackObject[]> {
  const { updates, without, blobs, deltas, tip } = inputs;
  const having = updates.flatMap(({ id }) => id ?? []);
  const objects = await work.newObjects(having, without);
  const made = await Promise.all(objects.map((object) => madeObject(work, object, tip)));
  const files = new Map(blobs.map(({ id, content }) => [id, content]));
  return [
    ...made,
    ...[...files].map(
      ([id, content]): PackObject =>
        deltas.get(id) ?? { type: "blob", size: contentSize(content), chunks: () => chunks(content) },
    ),
  ];
}

/** A tree with fewer bytes than this is not worth a delta. */
const SMALL_TREE = 256;

/** A tree as what changed of the tip's tree in the same place; everything else whole. */
async function madeObject(work: WorkRepository, { type, path, bytes }: GitObject, tip: string): Promise<PackObject> {
  const whole: PackObject = { type, size: bytes.length, chunks: () => [bytes] };
  if (type !== "tree" || bytes.length < SMALL_TREE) return whole;
  const old = await work.readTree(tip, path);
  if (!old) return whole;
  const delta = trimDelta(old.bytes, bytes);
  return delta.length < bytes.length / 2 ? { type: "delta", base: old.id, delta: () => delta } : whole;
}
