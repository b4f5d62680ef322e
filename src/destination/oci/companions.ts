/** What goes along with a release into a registry: its signature as a referrer, runnable images, attestations. */
import { URUNC_TARGETS } from "../../manifest/urunc.ts";
import type { Registry } from "../../registry/registry.ts";
import { attachReferrers } from "../attach.ts";
import type { Destination } from "../destination.ts";
import { attestationReferrer, type Bundle, parseBundles, signatureReferrer } from "../provenance.ts";
import { IMAGE_MANIFEST } from "../runnable/oci.ts";
import { pushImages } from "../runnable/push.ts";
import { runnableTag, runnableTags } from "../runnable/tags.ts";
import { decodeArtifact } from "./artifact.ts";
import { type Companion, ociDestination, type OciDestinationOptions } from "./destination.ts";

export interface CompanyOptions {
  readonly branch: string;
  /** Whether images are made that urunc runs. */
  readonly runnable: boolean;
}

/** The companions of a branch's releases. Their tags are those that retention has to know, too. */
export const companionsOf = ({ branch, runnable }: CompanyOptions): readonly Companion[] => [
  signatureCompanion,
  {
    push: async (arrived) => (runnable ? pushImages(arrived, branch) : 0),
    // Also of releases that had images before they were no longer asked for: those must not stay for ever.
    tags: runnableTags(branch),
  },
];

const signatureCompanion: Companion = {
  async push({ registry, artifact: { digest, bytes } }) {
    const signature = decodeArtifact(bytes, digest).layers.find(({ path }) => path === "manifest.json.sig");
    if (!signature) return 0;
    const release = { mediaType: IMAGE_MANIFEST, digest, size: bytes.length };
    return attachReferrers(registry, [signatureReferrer(release, signature)], digest);
  },
  tags: [],
};

export interface AccompaniedOptions extends Omit<OciDestinationOptions, "companions"> {
  readonly runnable: boolean;
  /** Sigstore bundles about the release, as text. */
  readonly attestation: string | undefined;
}

/**
 * A registry as destination, with all that goes along with a release. Throws what `ociDestination` throws, and
 * RELEASE_INVALID for an attestation that is no Sigstore bundle.
 */
export function registryDestination({ runnable, attestation, ...options }: AccompaniedOptions): Destination {
  const { registry, branch } = options;
  const bundles = attestation === undefined ? [] : parseBundles(attestation);
  const destination = ociDestination({ ...options, companions: companionsOf({ branch, runnable }) });
  return {
    ...destination,
    async publish(release, publishing) {
      const published = await destination.publish(release, publishing);
      const { outcome, revision, manifest } = published;
      if (revision === undefined || (outcome !== "deployed" && outcome !== "unchanged")) return published;
      if (bundles.length > 0) await attest(registry, revision, bundles);
      return runnable ? { ...published, images: await imagesOf(registry, branch, manifest.source.commit) } : published;
    },
  };
}

/** Attaches attestations to a release that is there. */
async function attest(registry: Registry, digest: string, bundles: readonly Bundle[]): Promise<void> {
  const release = await registry.readManifest(digest);
  if (!release) return;
  const subject = { mediaType: release.mediaType, digest, size: release.bytes.length };
  const referrers = bundles.map((bundle) => attestationReferrer(subject, bundle));
  await attachReferrers(registry, referrers, digest);
}

/**
 * What to run of a release, by target, as container runtimes write it: `HOST/NAME@sha256:…`. The image itself where a
 * target has one architecture: it stays the same until what it runs changes. The index of them where it has several.
 */
async function imagesOf(registry: Registry, branch: string, commit: string): Promise<Record<string, string>> {
  const name = registry.address.replace(/^oci(?:\+http)?:\/\//, "");
  const images: Record<string, string> = {};
  for (const target of URUNC_TARGETS) {
    const index = await registry.readManifest(runnableTag(branch, target).source(commit));
    if (index) images[target] = `${name}@${onlyImage(index.bytes) ?? index.digest}`;
  }
  return images;
}

/** The digest of the one image that an index lists; undefined where it lists several, or is none of ours. */
function onlyImage(index: Buffer): string | undefined {
  try {
    const { manifests } = JSON.parse(index.toString("utf8")) as { manifests?: readonly { digest?: unknown }[] };
    const digest = manifests?.length === 1 ? manifests[0]?.digest : undefined;
    return typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined;
  } catch {
    return undefined;
  }
}
