/** Releases of one branch in a repository of a registry: reading them, announcing them, making one the newest. */
import { DeployError } from "../../errors.ts";
import { MAX_MANIFEST, parseManifest } from "../../manifest/manifest.ts";
import type { ReleaseManifest } from "../../manifest/schema.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Signed } from "../deployed.ts";
import { ARTIFACT_MEDIA_TYPE, decodeArtifact, type Layer, markSuperseded, type ReleaseArtifact } from "./artifact.ts";
import type { TagNames } from "./tags.ts";

/** A release as it is in the registry, under some tag. */
export interface Posted extends ReleaseArtifact {
  /** `sha256:<hex>` of the artifact manifest. */
  readonly digest: string;
  /** The artifact manifest's bytes. */
  readonly bytes: Buffer;
}

/** Tags that move with that of the newest: the one that moves, and the one of a commit that it moves to. */
export interface FollowingTag {
  readonly newest: string;
  source(commit: string): string;
}

/** The release under a tag or digest; undefined where there is none. Throws REPOSITORY_FOREIGN for anything else. */
export async function readPosted(registry: Registry, reference: string): Promise<Posted | undefined> {
  const stored = await registry.readManifest(reference);
  if (!stored) return undefined;
  return posted(stored.bytes, stored.digest, `${registry.address}:${reference}`);
}

export function posted(bytes: Buffer, digest: string, where: string): Posted {
  return { ...decodeArtifact(bytes, where), digest, bytes };
}

/** The release manifest of a release. Throws REPOSITORY_FOREIGN where it is none of ours, or not that of this artifact. */
export async function readManifestOf(registry: Registry, release: Posted): Promise<ReleaseManifest> {
  const where = `${registry.address}@${release.digest}`;
  const layer = release.layers.find(({ path }) => path === "manifest.json");
  if (!layer || layer.size > MAX_MANIFEST)
    throw foreign(where, [`expected a layer manifest.json of at most ${MAX_MANIFEST} bytes`]);
  const bytes = await readLayer(registry, layer);
  let manifest: ReleaseManifest;
  try {
    manifest = parseManifest(bytes, "manifest.json");
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    throw foreign(where, error.problems, error);
  }
  const { name, sequence, source } = manifest;
  if (name === release.name && sequence === release.sequence && source.commit === release.commit) return manifest;
  throw foreign(where, ["manifest.json and the artifact's annotations are not about the same release"]);
}

/** Bytes of a signature; one of ours has a few hundred. */
const MAX_SIGNATURE = 64 * 1024;

/** The manifest and its signature; either is absent where the release has none that could be read. */
export async function readSigned(registry: Registry, { layers }: Posted): Promise<Signed> {
  const read = async (name: string, most: number) => {
    const layer = layers.find(({ path, size }) => path === name && size <= most);
    return layer && readLayer(registry, layer);
  };
  return {
    text: await read("manifest.json", MAX_MANIFEST),
    signature: await read("manifest.json.sig", MAX_SIGNATURE),
  };
}

/** A small file of a release, verified. */
export async function readLayer(registry: Registry, { digest, size }: Layer): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of registry.readBlob({ digest, size })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Takes a number: from here on everybody who lists the tags knows of it. */
export async function announce(registry: Registry, names: TagNames, release: Posted): Promise<void> {
  await registry.putManifest(names.announcement(release.sequence, release.commit), release.bytes, ARTIFACT_MEDIA_TYPE);
}

/** Says of an announcement that nothing comes of it. */
export async function takeBack(registry: Registry, names: TagNames, release: Posted): Promise<void> {
  const tag = names.announcement(release.sequence, release.commit);
  await registry.putManifest(tag, markSuperseded(release.bytes), ARTIFACT_MEDIA_TYPE);
}

/** Says that a release is to be the newest under its number. */
export async function decide(registry: Registry, names: TagNames, release: Posted): Promise<void> {
  await registry.putManifest(names.source(release.commit), release.bytes, ARTIFACT_MEDIA_TYPE);
}

/** Makes a release the newest; the tag that hosts follow moves last. */
export async function moveNewest(
  registry: Registry,
  names: TagNames,
  release: Posted,
  following: readonly FollowingTag[],
): Promise<void> {
  for (const tag of following) {
    const stored = await registry.readManifest(tag.source(release.commit));
    if (stored) await registry.putManifest(tag.newest, stored.bytes, stored.mediaType);
  }
  await registry.putManifest(names.newest, release.bytes, ARTIFACT_MEDIA_TYPE);
}

function foreign(where: string, problems: readonly string[], cause?: unknown): DeployError {
  return new DeployError("REPOSITORY_FOREIGN", `${where} is not a release of ours`, {
    problems,
    hint: "deploy to a repository of the registry that nothing else uses",
    cause,
  });
}
