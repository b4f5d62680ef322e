/** Artifacts: what a build leaves that ships. Each is a file on this machine and what is known of its bytes. */
import type { IndexEntry } from "../image/index-file.ts";
import type { ImageFormat, ImageLayout } from "../image/format.ts";
import type { KernelInfo } from "../kernel/kernel.ts";

export interface KernelArtifact {
  /** Where the bytes are on this machine. */
  readonly file: string;
  readonly size: number;
  /** Hex sha256 of the file. */
  readonly sha256: string;
  /** Git blob id of the file. */
  readonly id: string;
  readonly info: KernelInfo;
}

export interface VolumeArtifact {
  readonly name: string;
  readonly file: string;
  readonly format: ImageFormat;
  readonly size: number;
  /** Hex sha256 of the image. */
  readonly sha256: string;
  /** The files in image order. */
  readonly index: readonly IndexEntry[];
  /** Directories of the site without files, which the image does not hold; empty when the site was not read here. */
  readonly emptyDirectories: readonly string[];
  /**
   * Where each file's content begins in the image, in the order of the index. Only there where the image was read here and
   * found to be, byte for byte, what its format makes of the index.
   */
  readonly offsets?: Float64Array;
  /** The layout that its format makes of the index; there where `offsets` is. */
  readonly layout?: ImageLayout;
  /** The index as it is written in a file; absent where no file of it was read or made. */
  readonly indexFile?: Buffer;
  /** Whether the image is known to be what its format makes of the index: it was written here, or looked at. */
  readonly isExact?: boolean;
  /** Where `KEY_MARK` stands in the image, where whoever digested it looked. */
  readonly keyMarks?: readonly number[];
}
