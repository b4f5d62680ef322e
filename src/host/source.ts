/** What a host follows: something that offers releases, whether a git repository or a registry. Types only. */
import type { BlobReader } from "../util/git-blobs.ts";

/** A file of the release that is offered. Nothing of it is believed but that equal ids mean equal bytes. */
export interface TipFile {
  /** As git has it; "100644" is a plain file. */
  readonly mode: string;
  /** Content address: a git object id, or hex sha256. */
  readonly id: string;
  readonly size: number;
  /** Hex sha256 of the content, where its id is as good as that. */
  readonly sha256?: string;
}

/** The newest release that is offered. */
export interface Tip {
  /** Commit in the deployment repository, or digest of the registry's manifest. */
  readonly revision: string;
  /** When it was made, where that is told (milliseconds since 1970). */
  readonly committedAt: number | undefined;
  /** Every file below the release's directory, by path relative to it, in bytewise order. */
  readonly files: ReadonlyMap<string, TipFile>;
  /** Streams the content of files, in order. */
  read(files: readonly TipFile[], reader: BlobReader): Promise<void>;
  /** Some bytes of a file, unverified; undefined where this one cannot be read in pieces. Absent where that saves nothing. */
  readRange?(file: TipFile, offset: number, length: number): Promise<Buffer | undefined>;
  /** Drops what is kept on disk of older releases, so that it does not grow with history. */
  tidy(): Promise<void>;
}

export interface ReleaseSource {
  /** Without credentials. */
  readonly address: string;
  /** What is offered now. Throws RELEASE_MISSING where nothing is yet. Only one process may do so at a time. */
  fetch(): Promise<Tip>;
}
