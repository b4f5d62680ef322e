/**
 * Formats that put file after file, each behind a header that follows from its own path and size: such an image can be
 * written before anybody knows how large its files are. Pure.
 */
import { tarFrames } from "./tar-frames.ts";

export interface Frames {
  /** Bytes of the longest path; the format has nothing else against a path that is well-formed. */
  readonly maxPath: number;
  /** Bytes in front of the content of a file with this path, a multiple of 512 whatever its size. */
  headerLength(this: void, path: string): number;
  /** Puts those bytes into `data`, from `at` on. Throws SITE_UNREPRESENTABLE for more than the format can carry. */
  putHeader(this: void, path: string, size: number, data: Uint8Array, at: number): void;
  /** Zeros behind `size` bytes of content, up to a multiple of 512. */
  padding(this: void, size: number): number;
  /** Zeros that end an image whose files end at `end`. */
  trailer(this: void, end: number): number;
}

const FRAMES = { tar: tarFrames, git: tarFrames } as const;

/** Names of the formats that have frames; threads tell each other which it is. */
export type FrameName = keyof typeof FRAMES;

export const hasFrames = (format: string): format is FrameName => Object.hasOwn(FRAMES, format);

export const framesOf = (name: FrameName): Frames => FRAMES[name];
