/**
 * Proof that an image is, byte for byte, what its format makes of an index: whoever trusts the format's writer need not
 * read such an image to know what is in it. Every byte is either compared with what the writer would put there, or
 * belongs to the content of a file, whose git blob id is worked out and compared with the index. Nothing in the index is
 * believed: one that is not sorted, has a path twice or cannot be laid out proves nothing.
 */
import { DeployError } from "../errors.ts";
import type { ImageFormat, ImageLayout, Piece } from "../image/format.ts";
import type { IndexEntry } from "../image/index-file.ts";
import { compareBytewise } from "../util/bytes.ts";
import { nextTurn } from "./beside.ts";
import { blobHash } from "./blob-id.ts";
import { ForwardReader, LONGEST } from "./forward-reader.ts";

/** Bytes between two turns of the rest of the process. */
const TURN = 64 * 1024 * 1024;

/** What is known of an image that was proven. */
export interface Proof {
  /** The format's layout of the index, which the image follows. */
  readonly layout: ImageLayout;
  /** Where each file's content begins, in the order of the index. */
  readonly offsets: Float64Array;
}

/** Undefined where the image is another one. */
export async function proveImage(
  fd: number,
  size: number,
  format: ImageFormat,
  index: readonly IndexEntry[],
): Promise<Proof | undefined> {
  const layout = layoutFor(format, index, size);
  if (layout?.size !== size) return undefined;
  const reader = new ForwardReader(fd);
  const offsets = new Float64Array(index.length);
  const emptyId = blobHash(0).digest("hex");
  if (index.some((file) => file.size === 0 && file.id !== emptyId)) return undefined;
  let at = 0;
  let told = 0;
  for (const piece of layout.pieces()) {
    if (piece.kind === "content") {
      if (reader.blobId(at, piece.size) !== index[piece.file]?.id) return undefined;
      offsets[piece.file] = at;
    } else if (!holds(reader, at, piece)) return undefined;
    at += lengthOf(piece);
    if (at - told < TURN) continue;
    told = at;
    await nextTurn();
  }
  return { layout, offsets };
}

/** The layout with which the format would write these files into an image of this size, if it would. */
function layoutFor(format: ImageFormat, index: readonly IndexEntry[], size: number): ImageLayout | undefined {
  if (format.kind !== "laid-out" || !format.rebuilds) return undefined;
  const isSorted = index.every(
    ({ path }, i) => i === 0 || compareBytewise((index[i - 1] as IndexEntry).path, path) < 0,
  );
  if (!isSorted) return undefined;
  try {
    return format.layout(index, { size });
  } catch (error) {
    if (error instanceof DeployError && error.code === "SITE_UNREPRESENTABLE") return undefined;
    throw error;
  }
}

function lengthOf(piece: Piece): number {
  if (piece.kind === "bytes") return piece.bytes.length;
  return piece.kind === "zeros" ? piece.length : piece.size;
}

const ZEROS = Buffer.alloc(64 * 1024);

/** Whether the image has the piece at `offset`. */
function holds(reader: ForwardReader, offset: number, piece: Exclude<Piece, { kind: "content" }>): boolean {
  const most = piece.kind === "zeros" ? ZEROS.length : LONGEST;
  const length = lengthOf(piece);
  for (let done = 0; done < length; ) {
    const step = Math.min(most, length - done);
    const at = reader.find(offset + done, step);
    if (at === undefined) return false;
    const [expected, from] = piece.kind === "zeros" ? [ZEROS, 0] : [piece.bytes, done];
    if (reader.data.compare(expected, from, from + step, at, at + step) !== 0) return false;
    done += step;
  }
  return true;
}
