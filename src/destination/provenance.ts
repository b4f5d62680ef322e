/**
 * What vouches for a release, attached to it in the registry as referrers, so that `oras discover` and the like find it:
 * our signature, and attestations that a job made. A host goes by manifest.json.sig in the release. Pure.
 */
import { DeployError } from "../errors.ts";
import { sha256 } from "../util/digest.ts";
import { type Descriptor, IMAGE_MANIFEST } from "./runnable/oci.ts";

/** An SSH signature over manifest.json, as `ssh-keygen -Y verify -n unikernel-deploy` takes it. */
export const SIGNATURE_TYPE = "application/vnd.unikernel-deploy.signature.ssh.v1";
/** Any bundle: what follows says which version. */
const BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v\d+(?:\.\d+)*\+json|\+json;version=\d+(?:\.\d+)*)$/;
/** A bundle has a certificate, a statement and a proof or two; those of releases with many kernels are larger. */
const MAX_BUNDLES = 1024 * 1024;

/** The config of what is no image (image-spec 1.1, "Guidance for an empty descriptor"). */
const EMPTY = { mediaType: "application/vnd.oci.empty.v1+json", ...blob(Buffer.from("{}")) };

export interface SmallBlob {
  readonly digest: string;
  readonly size: number;
  readonly bytes: Buffer;
}

/** A manifest that refers to a release, and the blobs that have to be there before it. */
export interface Referrer {
  readonly manifest: Buffer;
  readonly blobs: readonly SmallBlob[];
}

/** `signature` is the blob that the release itself has for manifest.json.sig. */
export function signatureReferrer(release: Descriptor, signature: Pick<SmallBlob, "digest" | "size">): Referrer {
  return referrer(release, { type: SIGNATURE_TYPE, layer: signature, title: "manifest.json.sig" });
}

/** A Sigstore bundle and its media type, which says the version. */
export interface Bundle {
  readonly type: string;
  readonly bytes: Buffer;
}

/**
 * Sigstore bundles as actions/attest-build-provenance writes them: one JSON document, or one a line. Throws
 * RELEASE_INVALID for anything else.
 */
export function parseBundles(text: string): readonly Bundle[] {
  if (text.length > MAX_BUNDLES) throw noBundle(`it has ${text.length} bytes, ${MAX_BUNDLES} are taken`);
  const documents = isJson(text) ? [text] : text.split("\n").filter((line) => line.trim() !== "");
  if (documents.length === 0) throw noBundle("it is empty");
  return documents.map((document, i) => {
    const type = bundleType(document);
    if (type === undefined) throw noBundle(`document ${i + 1} names no media type of a Sigstore bundle`);
    return { type, bytes: Buffer.from(document) };
  });
}

export function attestationReferrer(release: Descriptor, { type, bytes }: Bundle): Referrer {
  const layer = blob(bytes);
  const { manifest, blobs } = referrer(release, { type, layer, title: "attestation.sigstore.json" });
  return { manifest, blobs: [...blobs, layer] };
}

function bundleType(document: string): string | undefined {
  try {
    const { mediaType } = JSON.parse(document) as { mediaType?: unknown };
    return typeof mediaType === "string" && BUNDLE_TYPE.test(mediaType) ? mediaType : undefined;
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function noBundle(found: string): DeployError {
  return new DeployError("RELEASE_INVALID", `the attestation is no Sigstore bundle: ${found}`, {
    hint: "give the file that the output bundle-path of actions/attest-build-provenance names",
  });
}

interface Attached {
  readonly type: string;
  readonly layer: Pick<SmallBlob, "digest" | "size">;
  /** What `oras pull` calls the file. */
  readonly title: string;
}

function referrer(release: Descriptor, { type, layer: { digest, size }, title }: Attached): Referrer {
  const { bytes: _, ...config } = EMPTY;
  const manifest = {
    schemaVersion: 2,
    mediaType: IMAGE_MANIFEST,
    artifactType: type,
    config,
    layers: [{ mediaType: type, digest, size, annotations: { "org.opencontainers.image.title": title } }],
    subject: { mediaType: release.mediaType, digest: release.digest, size: release.size },
  };
  return { manifest: Buffer.from(JSON.stringify(manifest)), blobs: [EMPTY] };
}

function blob(bytes: Buffer): SmallBlob {
  return { digest: `sha256:${sha256(bytes)}`, size: bytes.length, bytes };
}
