/**
 * The interface that every image format implements. A format decides and never does: `layout` turns a tree into a list
 * of pieces, whoever has the bytes of the files writes the pieces out in order, and `list` reads an image back with
 * code that shares nothing with the layout but constants. Pure.
 */
import type { ByteSource } from "../util/bytes.ts";
import type { FileEntry, FileTree } from "./tree.ts";

/** Consecutive bytes of an image: given bytes, zeros, or the whole content of file number `file` of the tree. */
export type Piece =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "zeros"; readonly length: number }
  | { readonly kind: "content"; readonly file: number; readonly size: number };

/** An image, decided to the last byte but for the content of the files. */
export interface ImageLayout {
  /** Bytes in the image; the pieces add up to exactly this. */
  readonly size: number;
  /** Where each file's extent begins (its header included), in image order; cuts between parts fall on these. */
  readonly starts: readonly number[];
  /** The pieces in order; may be walked more than once, and is cheap to make one by one. */
  pieces(): Iterable<Piece>;
}

/** A file found in an image: where its bytes are. */
export interface ImageEntry extends FileEntry {
  readonly offset: number;
}

export interface LayoutOptions {
  /** Total size in bytes where the caller wants head-room; the smallest that fits if absent. */
  readonly size?: number;
}

export interface ImageFormat {
  readonly name: string;
  /** One line for `--help` and documentation. */
  readonly summary: string;
  /** Throws SITE_UNREPRESENTABLE listing every file that this format cannot carry exactly. */
  layout(tree: FileTree, options?: LayoutOptions): ImageLayout;
  /** Whether the first bytes look like this format; `list` decides. */
  detect(source: ByteSource): boolean;
  /** The files in image order; throws IMAGE_INVALID with the offset of the first byte that is wrong. */
  list(source: ByteSource): Iterable<ImageEntry>;
}
