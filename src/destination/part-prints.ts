/**
 * Prints of the parts of an image: digests over what the format puts into a part, and the git blob ids of the contents
 * between. Two parts with one print have the same bytes, which tells a part that is deployed already without reading
 * it. Only for an image that is what its format makes of its index. Pure.
 */
import { createHash, type Hash } from "node:crypto";
import type { ImageLayout, Piece } from "../image/format.ts";
import type { IndexEntry } from "../image/index-file.ts";
import type { Part } from "../image/parts.ts";

/** An image whose every byte follows from its layout and its index. */
export interface ExactImage {
  readonly layout: ImageLayout;
  readonly index: readonly IndexEntry[];
  readonly size: number;
}

/**
 * Hex sha256 for each part; the parts follow one another from the image's first byte to its last. Undefined where the
 * format would make an image of another size.
 */
export function partPrints({ layout, index, size }: ExactImage, parts: readonly Part[]): readonly string[] | undefined {
  if (layout.size !== size) return undefined;
  const prints: string[] = [];
  let hash = begin();
  let at = 0;
  for (const piece of layout.pieces()) {
    const length = lengthOf(piece);
    for (let done = 0; done < length; ) {
      const { offset, size: partSize } = parts[prints.length] as Part;
      const step = Math.min(length - done, offset + partSize - at);
      describe(hash, piece, index, done, step);
      done += step;
      at += step;
      if (at < offset + partSize) continue;
      prints.push(hash.digest("hex"));
      hash = begin();
    }
  }
  return prints;
}

const begin = () => createHash("sha256").update("unikernel-deploy part 1\n");

/** Each entry says how long it is, so that no two sequences of entries read alike. */
function describe(hash: Hash, piece: Piece, index: readonly IndexEntry[], from: number, length: number): void {
  if (piece.kind === "content") hash.update(`content ${index[piece.file]?.id} ${from} ${length}\n`);
  else if (piece.kind === "zeros") hash.update(`zeros ${length}\n`);
  else hash.update(`bytes ${length}\n`).update(piece.bytes.subarray(from, from + length));
}

function lengthOf(piece: Piece): number {
  if (piece.kind === "bytes") return piece.bytes.length;
  return piece.kind === "zeros" ? piece.length : piece.size;
}
