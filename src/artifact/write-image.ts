/**
 * Writes a volume's image from files on disk. Each file is opened and read once; from that one read come the image's
 * bytes, the image's sha256 and the file's git blob id. Memory does not grow with the site or with a file.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { DeployError } from "../errors.ts";
import type { ImageLayout } from "../image/format.ts";
import type { IndexEntry } from "../image/index-file.ts";
import type { FileTree } from "../image/tree.ts";
import { ioError } from "../util/files.ts";
import { ImageWriter, type WrittenImage } from "../util/image-writer.ts";
import type { SiteFile } from "./read-tree.ts";

export interface BuiltImage extends WrittenImage {
  /** The files in image order with their git blob ids. */
  readonly index: readonly IndexEntry[];
}

/** After this many bytes other work of the process gets its turn, and progress is told. */
const TURN = 64 * 1024 * 1024;

/**
 * Writes `layout` to `out` (created with `mode`, whole or not at all). Throws FILE_CHANGED when a file is not as long as
 * it was when the layout was made.
 */
export async function writeImage(
  layout: ImageLayout,
  files: FileTree<SiteFile>,
  out: string,
  options: { readonly mode?: number; readonly onProgress?: (written: number) => void } = {},
): Promise<BuiltImage> {
  using writer = new ImageWriter(out, options.mode);
  const ids: string[] = [];
  let turn = TURN;
  for (const piece of layout.pieces()) {
    if (piece.kind === "bytes") writer.bytes(piece.bytes);
    else if (piece.kind === "zeros") writer.zeros(piece.length);
    else ids[piece.file] = copyFile(files[piece.file] as SiteFile, writer);
    if (writer.position < turn) continue;
    turn = writer.position + TURN;
    options.onProgress?.(writer.position);
    await new Promise(setImmediate);
  }
  const image = writer.finish();
  const index = files.map(({ path, size }, i) => ({ path, size, id: ids[i] ?? EMPTY_BLOB }));
  return { ...image, index };
}

/** The git id of the empty blob; empty files have no content piece. */
const EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/** Copies one file into the image and returns its git blob id. */
function copyFile(file: SiteFile, writer: ImageWriter): string {
  const hash = createHash("sha1").update(`blob ${file.size}\0`);
  let fd: number;
  try {
    fd = openSync(file.source, "r");
  } catch (error) {
    throw ioError(`cannot read ${file.source}`, error);
  }
  try {
    let left = file.size;
    while (left > 0) {
      const room = writer.room();
      const length = readSync(fd, room, 0, Math.min(room.length, left), null);
      if (length === 0) throw changed(file, `ends after ${file.size - left} of ${file.size} bytes`);
      hash.update(room.subarray(0, length));
      writer.advance(length);
      left -= length;
    }
    if (readSync(fd, AFTER, 0, 1, null) !== 0) throw changed(file, `is longer than ${file.size} bytes`);
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

const AFTER = Buffer.alloc(1);

function changed(file: SiteFile, what: string): DeployError {
  return new DeployError("FILE_CHANGED", `${file.source} changed while it was read: it ${what}`, {
    hint: "let the build finish before the volume is made",
  });
}
