/** Manifests by tag or digest, and the list of tags. */
import { DeployError } from "../errors.ts";
import { sha256 } from "../util/digest.ts";
import { checkedDigest } from "./blobs.ts";
import type { Transport } from "./transport.ts";

/** What the distribution-spec asks registries to take, and so all that a reader has to (bytes). */
export const MAX_MANIFEST = 4 * 1024 * 1024;

export const IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const IMAGE_INDEX = "application/vnd.oci.image.index.v1+json";
const ACCEPTED = [
  IMAGE_MANIFEST,
  IMAGE_INDEX,
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Whether a text can be a tag (distribution-spec, "Pulling manifests"). */
export const isTag = (text: string): boolean => TAG.test(text);

/** Throws DIGEST_MISMATCH where a digest was asked for and other bytes came. */
export async function readManifest(transport: Transport, reference: string): Promise<StoredManifest | undefined> {
  const answer = await transport.ask(
    {
      method: "GET",
      at: `manifests/${checkedReference(reference)}`,
      headers: { accept: ACCEPTED },
      purpose: `manifest ${reference}`,
      kind: "pull",
      expect: [200, 404],
    },
    MAX_MANIFEST,
  );
  if (answer.status === 404) return undefined;
  const digest = `sha256:${sha256(answer.bytes)}`;
  if (reference.includes(":") && reference !== digest) {
    throw new DeployError("DIGEST_MISMATCH", `${transport.address.text}: manifest ${reference}: found ${digest}`, {
      hint: "the registry, or something before it, gave other bytes than were pushed: nothing of them is used",
    });
  }
  const mediaType = (answer.headers.get("content-type") ?? "").split(";")[0]?.trim() ?? "";
  return { digest, mediaType, bytes: answer.bytes };
}

/** What the registry says that the digest is; undefined where there is no such tag, or it does not say. */
export async function resolveTag(transport: Transport, tag: string): Promise<string | undefined> {
  const { status, headers } = await transport.ask({
    method: "HEAD",
    at: `manifests/${checkedReference(tag)}`,
    headers: { accept: ACCEPTED },
    purpose: `manifest ${tag}`,
    kind: "pull",
    expect: [200, 404],
  });
  const digest = headers.get("docker-content-digest") ?? "";
  return status === 200 && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined;
}

/** Stores a manifest under a tag or its digest, and returns the digest. The answer's headers say more. */
export async function putManifest(
  transport: Transport,
  reference: string,
  bytes: Buffer,
  mediaType: string,
): Promise<{ digest: string; headers: Headers }> {
  if (bytes.length > MAX_MANIFEST) {
    throw new DeployError("PUSH_REJECTED", `a manifest of ${bytes.length} bytes; registries take ${MAX_MANIFEST}`, {
      hint: "the release has too many files",
    });
  }
  const { headers } = await transport.ask({
    method: "PUT",
    at: `manifests/${checkedReference(reference)}`,
    headers: { "content-type": mediaType },
    body: {
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    },
    purpose: `manifest ${reference}`,
    kind: "push",
    expect: [201],
  });
  return { digest: `sha256:${sha256(bytes)}`, headers };
}

/** Removes a tag, or a manifest with all its tags; false where there is none. Throws PUSH_REJECTED where that is not allowed. */
export async function deleteManifest(transport: Transport, reference: string): Promise<boolean> {
  const { status } = await transport.ask({
    method: "DELETE",
    at: `manifests/${checkedReference(reference)}`,
    purpose: `to delete ${reference}`,
    kind: "delete",
    expect: [200, 202, 204, 404],
  });
  return status !== 404;
}

/** A page has at most this many bytes, and a repository this many pages. */
const MAX_PAGE = 16 * 1024 * 1024;
const MAX_PAGES = 500;

/** All tags, page after page; none for a repository that does not exist yet. */
export async function listTags(transport: Transport): Promise<readonly string[]> {
  const tags = new Set<string>();
  for await (const page of pages(transport, "tags/list?n=1000", "its tags")) {
    const { tags: found } = page as { tags?: unknown };
    if (!Array.isArray(found)) continue;
    for (const tag of found) if (typeof tag === "string" && TAG.test(tag)) tags.add(tag);
  }
  return [...tags];
}

/** JSON documents of a list that goes on at its Link header; nothing where the list does not exist. */
export async function* pages(transport: Transport, first: string, purpose: string): AsyncGenerator<object> {
  let at: URL | undefined = transport.url(first);
  for (let page = 0; at; page++) {
    if (page === MAX_PAGES) throw unreadable(transport, purpose, `more than ${MAX_PAGES} pages`);
    const answer = await transport.ask({ method: "GET", at, purpose, kind: "pull", expect: [200, 404] }, MAX_PAGE);
    if (answer.status === 404) return;
    yield parsed(transport, purpose, answer.bytes);
    at = nextPage(transport, answer.headers.get("link"), at);
  }
}

/** The rest of a list is where its beginning was, or it is none. */
function nextPage(transport: Transport, link: string | null, from: URL): URL | undefined {
  const target = /<([^<>]*)>\s*;[^,]*\brel="?next"?/i.exec((link ?? "").slice(0, 8192))?.[1];
  if (target === undefined) return undefined;
  const next = transport.follow(target, from);
  return next.origin === from.origin && next.href !== from.href ? next : undefined;
}

function parsed(transport: Transport, purpose: string, bytes: Buffer): object {
  try {
    const json: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof json === "object" && json !== null) return json;
  } catch {
    // Said below.
  }
  throw unreadable(transport, purpose, "not JSON");
}

function unreadable({ address }: Transport, purpose: string, found: string): DeployError {
  return new DeployError("REPOSITORY_UNREACHABLE", `${address.text} was asked for ${purpose}, and answered: ${found}`, {
    hint: "is this the address of an OCI registry?",
  });
}

/** Throws USAGE for what is neither tag nor digest: it goes into an address. */
function checkedReference(reference: string): string {
  if (TAG.test(reference)) return reference;
  return checkedDigest(reference);
}
