/**
 * Pushes the runnable images of a release. Children first, names last: whoever asks for a tag while this goes on gets the
 * old image or the new one, whole.
 *
 *   runnable-<target>-<commit>   the images of one target, for each architecture; never moves
 *   runnable-<commit>            all images, its subject is the release; never moves
 *   runnable-<target>, runnable  the newest of either
 */
import type { ReleaseManifest } from "../../manifest/schema.ts";
import type { Registry } from "../../registry/registry.ts";
import type { RunnableImages } from "./images.ts";
import { releaseIndex, targetIndexes } from "./images.ts";
import { type Descriptor, IMAGE_INDEX, IMAGE_MANIFEST } from "./oci.ts";

export interface PushedImages {
  /** Digest of the index of each target's images, by target. */
  readonly targets: ReadonlyMap<string, string>;
  /** Bytes sent: 0 for what the registry had. */
  readonly bytes: number;
}

export interface PushOptions {
  /** The release's own manifest in the registry, which is there by now. */
  readonly release: Descriptor;
  readonly manifest: ReleaseManifest;
}

type Target = Pick<Registry, "putBlob" | "putManifest" | "attach">;

export async function pushImages(
  registry: Target,
  images: RunnableImages,
  options: PushOptions,
): Promise<PushedImages> {
  const { commit } = options.manifest.source;
  let bytes = 0;
  for (const blob of images.blobs) bytes += await registry.putBlob(blob);
  for (const { manifest } of images.entries)
    await registry.putManifest(manifest.digest, manifest.bytes, IMAGE_MANIFEST);
  const targets = targetIndexes(images.entries);
  for (const [target, index] of targets) {
    await registry.putManifest(`runnable-${target}-${commit}`, index.bytes, IMAGE_INDEX);
  }
  const all = releaseIndex(images.entries, options.release, options.manifest);
  await registry.attach(all.bytes, options.release.digest);
  await registry.putManifest(`runnable-${commit}`, all.bytes, IMAGE_INDEX);
  for (const [target, index] of targets) await registry.putManifest(`runnable-${target}`, index.bytes, IMAGE_INDEX);
  await registry.putManifest("runnable", all.bytes, IMAGE_INDEX);
  return { targets: new Map([...targets].map(([target, { digest }]) => [target, digest])), bytes };
}
