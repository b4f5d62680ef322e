/**
 * One repository of an OCI registry (distribution-spec 1.1), over fetch. Whatever the registry answers is bounded and
 * verified; each refusal is one DeployError with cause and remedy.
 */
import type { Log } from "../util/log.ts";
import { type Credentials, parseAddress } from "./address.ts";
import { type BlobName, type BlobSource, hasBlob, putBlob, readBlob, readRange } from "./blobs.ts";
import { deleteManifest, listTags, putManifest, readManifest, resolveTag, type StoredManifest } from "./manifests.ts";
import { attachReferrer, type Descriptor, listReferrers } from "./referrers.ts";
import { openTransport } from "./transport.ts";

export type { Credentials } from "./address.ts";
export type { BlobName, BlobSource } from "./blobs.ts";
export type { StoredManifest } from "./manifests.ts";
export type { Descriptor } from "./referrers.ts";

export interface RegistryOptions {
  /** `oci://HOST[:PORT]/NAME`; `oci+http://…` for plain http to another machine. May carry user:token@. */
  readonly address: string;
  /** What stands in the address comes first. */
  readonly credentials?: Credentials | undefined;
  /** Whether to ask for the right to write from the start, as a first deploy has to. */
  readonly writes?: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
  /** A number from 0 to 1, for waiting times that many do not share. */
  readonly random?: () => number;
}

export interface Registry {
  /** Without credentials, as the user knows it. */
  readonly address: string;
  /** `owner/www` */
  readonly name: string;
  hasBlob(digest: string): Promise<boolean>;
  /** Streamed. Bytes sent: 0 where the blob was there. */
  putBlob(blob: BlobSource): Promise<number>;
  /** Verified while it streams: throws DIGEST_MISMATCH for other bytes or another size. Goes on after a cut. */
  readBlob(blob: BlobName): AsyncIterable<Uint8Array>;
  /** Some bytes of a blob, which nothing verifies; undefined where the registry gives no ranges. */
  readRange(blob: BlobName, offset: number, length: number): Promise<Buffer | undefined>;
  /** By tag or digest; undefined where there is none. At most 4 MiB. The digest is computed here. */
  readManifest(reference: string): Promise<StoredManifest | undefined>;
  /**
   * The digest of the manifest that a tag names, by the registry's word alone; undefined where it does not say. Costs no
   * bytes, and no place in the limits of registries that count pulls.
   */
  resolve(tag: string): Promise<string | undefined>;
  /** Under a tag or its digest; returns the digest. */
  putManifest(reference: string, bytes: Buffer, mediaType: string): Promise<string>;
  /** By tag or digest; false where there is none. Throws PUSH_REJECTED where the registry allows no deletion. */
  deleteManifest(reference: string): Promise<boolean>;
  /** All of them; none for a repository that does not exist yet. */
  tags(): Promise<readonly string[]>;
  /** What was attached to a manifest, of one type where one is given. */
  referrers(digest: string, artifactType?: string): Promise<readonly Descriptor[]>;
  /** Stores a manifest whose subject is `subject` (a digest), so that `referrers` finds it; returns its digest. */
  attach(bytes: Buffer, subject: string): Promise<string>;
}

/** Throws USAGE for an address that is none. Nothing is asked yet. */
export function openRegistry(options: RegistryOptions): Registry {
  const address = parseAddress(options.address);
  const { credentials, writes = false, env, log, signal, random = Math.random } = options;
  const transport = openTransport({ address, credentials, writes, env, log, signal, random });
  return {
    address: address.text,
    name: address.name,
    hasBlob: (digest) => hasBlob(transport, digest),
    putBlob: (blob) => putBlob(transport, blob),
    readBlob: (blob) => readBlob(transport, blob),
    readRange: (blob, offset, length) => readRange(transport, blob, offset, length),
    readManifest: (reference) => readManifest(transport, reference),
    resolve: (tag) => resolveTag(transport, tag),
    putManifest: async (reference, bytes, mediaType) =>
      (await putManifest(transport, reference, bytes, mediaType)).digest,
    deleteManifest: (reference) => deleteManifest(transport, reference),
    tags: () => listTags(transport),
    referrers: (digest, artifactType) => listReferrers(transport, digest, artifactType),
    attach: (bytes, subject) => attachReferrer(transport, bytes, subject),
  };
}
