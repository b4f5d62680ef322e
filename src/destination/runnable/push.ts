/**
 * Pushes the runnable images of a release along with it. Children first, names last; the tags that move do so with the
 * release's own, so that whoever asks meanwhile gets the old image or the new one, whole.
 */
import type { ReleaseManifest } from "../../manifest/schema.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Release } from "../../release/release.ts";
import { releaseIndex, runnableImages, targetIndexes } from "./images.ts";
import { IMAGE_INDEX, IMAGE_MANIFEST } from "./oci.ts";
import { runnableTag } from "./tags.ts";

/** A release whose files are in the registry. */
export interface Arrived {
  readonly registry: Pick<Registry, "putBlob" | "putManifest" | "attach">;
  readonly release: Release;
  /** As deployed. */
  readonly manifest: ReleaseManifest;
  /** The manifest of the artifact that the release is there. */
  readonly artifact: { readonly digest: string; readonly bytes: Buffer };
}

/** Safe to repeat. Returns the bytes that were sent: nothing of what the registry had. */
export async function pushImages({ registry, release, manifest, artifact }: Arrived, branch: string): Promise<number> {
  const { commit } = manifest.source;
  const { blobs, entries } = await runnableImages({ ...release, manifest });
  let sent = 0;
  for (const blob of blobs) sent += await registry.putBlob(blob);
  for (const { manifest: image } of entries) await registry.putManifest(image.digest, image.bytes, IMAGE_MANIFEST);
  for (const [target, index] of targetIndexes(entries, { manifest, branch })) {
    await registry.putManifest(runnableTag(branch, target).source(commit), index.bytes, IMAGE_INDEX);
  }
  const subject = { mediaType: IMAGE_MANIFEST, digest: artifact.digest, size: artifact.bytes.length };
  const all = releaseIndex(entries, subject, { manifest, branch });
  await registry.attach(all.bytes, artifact.digest);
  await registry.putManifest(runnableTag(branch).source(commit), all.bytes, IMAGE_INDEX);
  return sent;
}
