/** The push of a release, by whichever way and in as many parts as the server takes. */
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import type { Log } from "../util/log.ts";
import { count } from "../util/size.ts";
import { contentSize, type RepositoryFile } from "./contents.ts";
import { plain } from "./git-errors.ts";
import { pushParcels, removals, removeParcels, splitPush } from "./parcels.ts";
import { releaseDeltas } from "./wire/release-deltas.ts";
import { WireRefusal } from "./wire/transport.ts";
import type { PushResult, Refs, RefUpdate, Tip, Workbench } from "./work-repository.ts";

export interface Shipment {
  readonly log: Log;
  readonly release: Release;
  /** "" or "dir/": where in the repository the release is. */
  readonly prefix: string;
  /** Where parcels go. */
  readonly parcelPrefix: string;
  /** Left-overs of a large deploy that was interrupted. */
  readonly parcels: Refs;
  readonly tip: Tip | undefined;
  readonly current: ReleaseManifest | undefined;
  readonly manifest: ReleaseManifest;
  readonly updates: readonly RefUpdate[];
  readonly blobs: readonly RepositoryFile[];
}

/** Throws WireRefusal where git does it with fewer bytes: it finds what new files have in common. */
export function refuseTooMuch(work: Workbench, bytes: number): void {
  if (bytes > work.wholeFiles) throw new WireRefusal("much that is new");
}

/** In one push where a forge takes that, else in several of which the last one counts. */
export async function ship(work: Workbench, shipment: Shipment): Promise<PushResult> {
  const { log, release, prefix, tip, current, manifest, updates, blobs } = shipment;
  log.progress(`packing ${count(blobs.length, "new file")}`);
  const deltas =
    tip && current
      ? await releaseDeltas(work, { tip, current, manifest, volumes: release.volumes, blobs, prefix })
      : new Map<string, never>();
  const onProgress = lastLineTo(log);
  const whole = blobs.filter(({ id }) => !deltas.has(id));
  refuseTooMuch(
    work,
    whole.reduce((sum, { content }) => sum + contentSize(content), 0),
  );
  const ahead = splitPush(whole);
  const gone = new Set(ahead.flat());
  const parcels =
    ahead.length === 0
      ? shipment.parcels
      : await pushParcels(work, ahead, { prefix: shipment.parcelPrefix, refs: shipment.parcels, onProgress });
  const last = { blobs: blobs.filter((blob) => !gone.has(blob)), deltas, resembling: tip !== undefined, onProgress };
  try {
    return await work.push([...updates, ...removals(parcels)], last);
  } catch (error) {
    if (error instanceof WireRefusal)
      log.info(`the server did not take the push as it was (${error.message}); git pushes it instead`);
    else if (ahead.length > 0) await removeParcels(work, parcels);
    throw error;
  }
}

/** git rewrites its progress line in place; the last one is the news. */
export const lastLineTo = (log: Log) => (text: string) =>
  log.progress(
    plain(text)
      .split("\n")
      .findLast((line) => line.trim() !== "") ?? "",
  );
