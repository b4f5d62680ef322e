/** Puts another volume into the place reserved for one in a linked kernel. */
import { createHash } from "node:crypto";
import { chmodSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { elfObject, sliceOf, volumeIn } from "../image/elf-object.ts";
import { findSlot } from "../image/elf-slot.ts";
import type { Extent, ImageFormat } from "../image/format.ts";
import { detectFormat } from "../image/formats.ts";
import type { ByteSource } from "../util/bytes.ts";
import { ioError, keepTrack, loseTrack, openFile, syncDirectory } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";

const CHUNK = 256 * 1024;

/** A new volume and where it goes. */
export interface Replacement {
  /** Stem of the symbols in the kernel. */
  readonly name: string;
  readonly image: ByteSource;
  readonly format: ImageFormat;
}

export interface Replaced {
  /** Where the place is in the kernel, and its bytes. */
  readonly offset: number;
  readonly reserved: number;
  /** Bytes of the new volume. */
  readonly used: number;
  /** Hex sha256 of the kernel as it is now. */
  readonly sha256: string;
}

/**
 * Replaces the volume; the kernel file keeps its mode and appears at once. Throws KERNEL_UNREADABLE where there is no
 * such place, SITE_UNREPRESENTABLE where the volume does not fit, IMAGE_INVALID where it is none, IO_FAILED; the kernel
 * is untouched then.
 */
export function replaceVolume(kernelFile: string, replacement: Replacement): Replaced {
  const file = realpathSync(kernelFile);
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.new`);
  keepTrack(temporary);
  try {
    using kernel = openFile(file);
    const slot = findSlot(kernel, replacement.name);
    const volume = volumeOf(replacement);
    requireFit(replacement, volume, kernel, slot);
    const { sha256 } = write(kernel, slot, volume, temporary);
    verify(kernel, slot, volume, temporary);
    chmodSync(temporary, statSync(file).mode & 0o7777);
    rename(temporary, file);
    return { offset: slot.offset, reserved: slot.size, used: volume.size, sha256 };
  } finally {
    rmSync(temporary, { force: true });
    loseTrack(temporary);
  }
}

/** The bytes that go into the kernel: of an object what it wraps. Reads the whole list, so a damaged image is refused. */
function volumeOf({ image, format }: Replacement): ByteSource {
  for (const _ of format.list(image));
  if (format !== elfObject) return image;
  return sliceOf(image, volumeIn(image) as Extent);
}

function requireFit({ name }: Replacement, volume: ByteSource, kernel: ByteSource, slot: Extent): void {
  if (volume.size > slot.size) {
    throw new DeployError(
      "SITE_UNREPRESENTABLE",
      `the volume has ${volume.size} bytes, the place for ${name} in the kernel has ${slot.size}`,
      { hint: "link a kernel with a larger object (image create --format elf-object --size N); this one is untouched" },
    );
  }
  const before = detectFormat(sliceOf(kernel, slot))?.name;
  const after = detectFormat(volume)?.name;
  if (before === undefined || before === after) return;
  throw new DeployError("USAGE", `the kernel holds a ${before} volume, the new one is ${after}`, {
    hint: `make it with image create --format ${before}`,
  });
}

function write(kernel: ByteSource, slot: Extent, volume: ByteSource, to: string): { sha256: string } {
  using writer = new ImageWriter(to, 0o600);
  const copy = (source: ByteSource, from: number, end: number) => {
    for (const chunk of chunksOf(source, from, end)) writer.bytes(chunk);
  };
  copy(kernel, 0, slot.offset);
  copy(volume, 0, volume.size);
  writer.zeros(slot.size - volume.size);
  copy(kernel, slot.offset + slot.size, kernel.size);
  return writer.finish();
}

/** Reads back what the disk took: the volume in its place, and around it the kernel as it was. */
function verify(kernel: ByteSource, slot: Extent, volume: ByteSource, file: string): void {
  using written = openFile(file);
  const end = slot.offset + slot.size;
  const same =
    written.size === kernel.size &&
    digest(written, 0, slot.offset) === digest(kernel, 0, slot.offset) &&
    digest(written, slot.offset, slot.offset + volume.size) === digest(volume, 0, volume.size) &&
    digest(written, end, written.size) === digest(kernel, end, kernel.size);
  if (!same) throw ioError(`cannot write ${file}`, new Error("what was read back is not what was written"));
}

function digest(source: ByteSource, from: number, end: number): string {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(source, from, end)) hash.update(chunk);
  return hash.digest("hex");
}

function* chunksOf(source: ByteSource, from: number, end: number): Generator<Uint8Array> {
  for (let at = from; at < end; at += CHUNK) yield source.read(at, Math.min(CHUNK, end - at));
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
    syncDirectory(path.dirname(to));
  } catch (error) {
    throw ioError(`cannot write ${to}`, error);
  }
}
