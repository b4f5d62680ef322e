/**
 * What refers to a manifest: signatures, lists of parts. Asked of the registry's referrers API, else kept by us in an index
 * under a tag made of the digest (distribution-spec, "Referrers Tag Schema").
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { DeployError } from "../errors.ts";
import { sha256 } from "../util/digest.ts";
import { checkedDigest } from "./blobs.ts";
import { IMAGE_INDEX, IMAGE_MANIFEST, pages, putManifest, readManifest } from "./manifests.ts";
import type { Transport } from "./transport.ts";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export async function listReferrers(
  transport: Transport,
  digest: string,
  artifactType?: string,
): Promise<readonly Descriptor[]> {
  const filter = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const found: Descriptor[] = [];
  let hasApi = false;
  for await (const page of pages(transport, `referrers/${checkedDigest(digest)}${filter}`, `referrers of ${digest}`)) {
    hasApi = true;
    found.push(...descriptorsIn(page));
  }
  const all = hasApi ? found : await listTagged(transport, digest);
  // Whether the registry has filtered is its own affair.
  return artifactType === undefined ? all : all.filter((descriptor) => descriptor.artifactType === artifactType);
}

/** How often we write before we say that it cannot be done. */
const MAX_ROUNDS = 10;
/**
 * A tag cannot be replaced on condition. Whoever had read the index before we wrote it may still be writing it without our
 * entry, so that it has to be there a while later too (milliseconds).
 */
const SETTLED_AFTER = 500;

/** Stores a manifest that names `subject`, by its digest, and makes it be found. */
export async function attachReferrer(transport: Transport, bytes: Buffer, subject: string): Promise<string> {
  const own = JSON.parse(bytes.toString("utf8")) as {
    mediaType?: string;
    artifactType?: string;
    config?: { mediaType?: string };
    subject?: { digest?: string };
    annotations?: Record<string, string>;
  };
  if (own.subject?.digest !== subject) throw new Error("the manifest has another subject");
  const mediaType = own.mediaType ?? IMAGE_MANIFEST;
  const digest = `sha256:${sha256(bytes)}`;
  const { headers } = await putManifest(transport, digest, bytes, mediaType);
  if (headers.has("oci-subject")) return digest;
  const artifactType = own.artifactType ?? own.config?.mediaType;
  const descriptor: Descriptor = {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(own.annotations ? { annotations: own.annotations } : {}),
  };
  let settled = false;
  for (let written = 0; written <= MAX_ROUNDS; ) {
    const listed = await listTagged(transport, subject);
    const isListed = listed.some((entry) => isDeepStrictEqual(entry, descriptor));
    if (isListed && (written === 0 || settled)) return digest;
    settled = isListed;
    if (isListed) {
      await sleep(SETTLED_AFTER);
      continue;
    }
    const manifests = [...listed.filter((entry) => entry.digest !== digest), descriptor];
    const index = { schemaVersion: 2, mediaType: IMAGE_INDEX, manifests };
    await putManifest(transport, tagOf(subject), Buffer.from(JSON.stringify(index)), IMAGE_INDEX);
    written++;
  }
  throw new DeployError("PUSH_REJECTED", `${transport.address.text}: ${tagOf(subject)} loses what is written to it`, {
    hint: "is something else attaching to this release all the time? Run again when it has stopped",
  });
}

async function listTagged(transport: Transport, subject: string): Promise<readonly Descriptor[]> {
  const manifest = await readManifest(transport, tagOf(subject));
  if (!manifest) return [];
  try {
    return descriptorsIn(JSON.parse(manifest.bytes.toString("utf8")));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [];
  }
}

const tagOf = (digest: string) => checkedDigest(digest).replace(":", "-");

/** The entries of an index that are descriptors as we know them. */
function descriptorsIn(index: unknown): Descriptor[] {
  const { manifests } = (index ?? {}) as { manifests?: unknown };
  if (!Array.isArray(manifests)) return [];
  return manifests.flatMap((entry: Partial<Record<keyof Descriptor, unknown>> | null): Descriptor[] => {
    if (typeof entry !== "object" || entry === null) return [];
    const { mediaType, digest, size, artifactType, annotations } = entry;
    if (typeof mediaType !== "string" || typeof digest !== "string" || typeof size !== "number") return [];
    if (!/^sha256:[0-9a-f]{64}$/.test(digest) || !Number.isSafeInteger(size) || size < 0) return [];
    return [
      {
        mediaType,
        digest,
        size,
        ...(typeof artifactType === "string" ? { artifactType } : {}),
        ...(isTexts(annotations) ? { annotations } : {}),
      },
    ];
  });
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string")
  );
}
