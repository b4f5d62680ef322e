/**
 * Pushes too large for a forge, which takes 2 GB at once at most: the files go ahead in parcels, each a commit of its own
 * below refs/unikernel-deploy/parcel/, which the push that moves the branch removes. Only that one is seen by a host.
 */
import { DeployError } from "../errors.ts";
import { sha256 } from "../util/digest.ts";
import { formatSize } from "../util/size.ts";
import { contentSize, type RepositoryFile } from "./contents.ts";
import { lossOf } from "./loss.ts";
import type { PushResult, Refs, RefUpdate, Workbench } from "./work-repository.ts";

const GIB = 1024 ** 3;
/** Above this a push is split. Sizes are those before compression: nobody knows the others beforehand. */
const MAX_PUSH = 1.5 * GIB;
const PARCEL_SIZE = GIB;
/** GitHub, GitLab and others refuse an object above this. */
const MAX_OBJECT = 100 * 1024 ** 2;

/** Throws PUSH_REJECTED, before anything is sent, for a file that no forge takes. */
export function refuseTooLarge(blobs: readonly RepositoryFile[]): void {
  const problems = blobs
    .filter(({ content }) => contentSize(content) > MAX_OBJECT)
    .map(
      ({ path, content }) =>
        `${path}: ${formatSize(contentSize(content))}; forges take ${formatSize(MAX_OBJECT)} a file`,
    );
  if (problems.length === 0) return;
  throw new DeployError("PUSH_REJECTED", "a file is too large for a deployment repository; nothing was sent", {
    problems,
    hint: "a kernel is never cut: strip it, and move site data that is linked in to a volume",
  });
}

/** Where the parcels of a branch's deploy go; left-overs of one that was interrupted are there too. */
export const parcelPrefix = (branch: string, path: string) =>
  `refs/unikernel-deploy/parcel/${sha256([branch, path].join("\0")).slice(0, 12)}/`;

/** Those of the refs that hold parcels. */
export const parcelsAmong = (refs: Refs, prefix: string): Refs =>
  new Map([...refs].filter(([name]) => name.startsWith(prefix)));

/** The files that go ahead, in parcels; none where one push takes all. Pure. */
export function splitPush(
  blobs: readonly RepositoryFile[],
  limits: { readonly push: number; readonly parcel: number } = { push: MAX_PUSH, parcel: PARCEL_SIZE },
): readonly (readonly RepositoryFile[])[] {
  const total = blobs.reduce((sum, { content }) => sum + contentSize(content), 0);
  if (total <= limits.push) return [];
  const parcels: RepositoryFile[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const blob of blobs) {
    const bytes = contentSize(blob.content);
    if (size + bytes > limits.parcel) {
      parcels.push([]);
      size = 0;
    }
    parcels.at(-1)?.push(blob);
    size += bytes;
  }
  return parcels;
}

export interface ParcelOptions {
  readonly prefix: string;
  /** What is there now. */
  readonly refs: Refs;
  readonly onProgress: (line: string) => void;
}

/** Sends the parcels one after the other; the refs that hold them, for the last push to remove. */
export async function pushParcels(
  work: Workbench,
  parcels: readonly (readonly RepositoryFile[])[],
  { prefix, refs, onProgress }: ParcelOptions,
): Promise<Refs> {
  const sent = new Map(parcelsAmong(refs, prefix));
  try {
    for (const [i, blobs] of parcels.entries()) {
      const name = `${prefix}${i}`;
      const files = blobs.map(({ id, content }) => ({ path: id, id, content }));
      const commit = await work.commit(await work.writeTree(undefined, [], files), undefined, "Files of a deploy\n", 0);
      const update: RefUpdate = { name, id: commit, expected: sent.get(name) };
      const result = await work.push([update], {
        blobs,
        deltas: new Map(),
        resembling: false,
        onProgress: (line) => onProgress(`parcel ${i + 1} of ${parcels.length}: ${line}`),
      });
      const loss = await lossOf(work, [update], result);
      if (loss) throw loss.moved ? inTheWay(name) : loss.why;
      sent.set(name, commit);
    }
    return sent;
  } catch (error) {
    await removeParcels(work, sent);
    throw error;
  }
}

const inTheWay = (name: string) =>
  new DeployError("PUSH_REJECTED", `${name} is being written by another deploy of this branch`, {
    hint: "let one deploy of a branch run at a time (concurrency:), and run again",
  });

/** Removes what is left of parcels; what cannot be removed the next large deploy overwrites. */
export async function removeParcels(work: Workbench, refs: Refs): Promise<PushResult | undefined> {
  if (refs.size === 0) return undefined;
  const updates = removals(refs);
  const parcel = { blobs: [], deltas: new Map(), resembling: false, onProgress() {} };
  return work.push(updates, parcel).catch(() => undefined);
}

export const removals = (refs: Refs): RefUpdate[] =>
  [...refs].map(([name, expected]) => ({ name, id: undefined, expected }));
