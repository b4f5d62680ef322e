/**
 * The interface that every image format implements. A format decides and never does: `layout` turns a tree into a list
 * of pieces, whoever has the bytes of the files writes the pieces out in order, and `list` reads an image back with
 * code that shares nothing with the layout but constants. Where offsets depend on content no layout can be made ahead;
 * such a format says so in its type. Pure.
 */
import { DeployError } from "../errors.ts";
import type { ByteSource } from "../util/bytes.ts";
import type { FileEntry, FileTree } from "./tree.ts";

/**
 * Consecutive bytes of an image: given bytes, zeros, or the whole content of file number `file` of the tree. The bytes last
 * until the next piece is asked for.
 */
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

/** A range of bytes of an image. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** How content is stored that is not simply `size` bytes from `offset`. */
export type Stored =
  /** In several runs, whose sizes add up to the file's: a fragmented file system. */
  | { readonly kind: "extents"; readonly extents: readonly Extent[] }
  /** As one zlib stream (RFC 1950) of `length` bytes from `offset`. */
  | { readonly kind: "zlib"; readonly length: number };

/** A file found in an image: where its bytes are. */
export interface ImageEntry extends FileEntry {
  /** Where the content begins; of no meaning for an empty file. */
  readonly offset: number;
  /** Absent where the content is `size` bytes from `offset`. */
  readonly stored?: Stored;
}

/** What may be asked of a layout beside the tree; a format says what of it it `takes`, and ignores the rest. */
export interface LayoutOptions {
  /** Total size in bytes where the caller wants head-room; the smallest that fits if absent. */
  readonly size?: number;
  /** FAT: bytes in a sector, 512 or 4096; what serves the volume best if absent. */
  readonly sectorSize?: number;
  /** ELF objects: the machine, "x86_64" if absent. */
  readonly arch?: string;
  /** ELF objects: the name in section and symbols, "site" if absent. */
  readonly symbol?: string;
}

interface AnyFormat {
  readonly name: string;
  /** One line for `--help` and documentation. */
  readonly summary: string;
  /**
   * Whether tree and total size alone give every byte again. Then a repository may store the files instead of the image
   * and the host puts the image together.
   */
  readonly rebuilds: boolean;
  readonly takes: readonly (keyof LayoutOptions)[];
  /** Whether the first bytes look like this format; `list` decides. */
  detect(source: ByteSource): boolean;
  /**
   * The files in image order, or sorted by path where the image has no order of its own; throws IMAGE_INVALID with the
   * offset of the first byte that is wrong.
   */
  list(source: ByteSource): Iterable<ImageEntry>;
}

/** A format that decides every offset from names and sizes: the image can be written in one pass. */
export interface LaidOutFormat extends AnyFormat {
  readonly kind: "laid-out";
  /**
   * Throws SITE_UNREPRESENTABLE listing every file that this format cannot carry exactly. Where the format `rebuilds`,
   * asking for the size of a layout gives the same layout.
   */
  layout(tree: FileTree, options?: LayoutOptions): ImageLayout;
}

/** A format whose offsets depend on the content, because that is stored compressed and once. */
export interface PackedFormat extends AnyFormat {
  readonly kind: "packed";
  /** Throws SITE_UNREPRESENTABLE listing every file that this format cannot carry exactly. */
  check(tree: FileTree, options?: LayoutOptions): void;
}

export type ImageFormat = LaidOutFormat | PackedFormat;

/** The layout in `format`; throws CONFIG_INVALID for a format whose offsets nobody knows before the content. */
export function layoutOf(format: ImageFormat, tree: FileTree, options?: LayoutOptions): ImageLayout {
  if (format.kind === "laid-out") return format.layout(tree, options);
  throw new DeployError("CONFIG_INVALID", `where a file lies in a ${format.name} image depends on its content`, {
    hint: "store this volume with layout: image",
  });
}
