/** The bytes of a file of the site, exactly as many as were announced. */
import { closeSync, openSync, readSync } from "node:fs";
import { DeployError } from "../errors.ts";
import { ioError } from "../util/files.ts";
import type { SiteFile } from "./read-tree.ts";

/**
 * The file in chunks, each read into what `room` gives for the bytes that are left. Throws FILE_CHANGED where it is not as long
 * as announced, IO_FAILED where it cannot be read.
 */
export function* siteBytes(file: SiteFile, room: (left: number) => Buffer): Generator<Buffer> {
  let fd: number;
  try {
    fd = openSync(file.source, "r");
  } catch (error) {
    throw ioError(`cannot read ${file.source}`, error);
  }
  try {
    let left = file.size;
    while (left > 0) {
      const buffer = room(left);
      const length = readSync(fd, buffer, 0, Math.min(buffer.length, left), null);
      if (length === 0) throw changed(file, `ends after ${file.size - left} of ${file.size} bytes`);
      yield buffer.subarray(0, length);
      left -= length;
    }
    if (readSync(fd, Buffer.alloc(1), 0, 1, null) !== 0) throw changed(file, `is longer than ${file.size} bytes`);
  } finally {
    closeSync(fd);
  }
}

function changed(file: SiteFile, what: string): DeployError {
  return new DeployError("FILE_CHANGED", `${file.source} changed while it was read: it ${what}`, {
    hint: "let the build finish before the volume is made",
  });
}
