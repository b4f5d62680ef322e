/** Harmless images in the place of secret volumes, so that a guest finds every device it declares. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { ImageFormat } from "../../image/format.ts";

/** A volume of a format that only its own content can lay out gets so many zeros (bytes). */
const FALLBACK = 1024 * 1024;

/** Writes an empty image of `format` with `size` bytes, or the format's smallest. Without a format it is all zeros. */
export function writeStandIn(file: string, format: ImageFormat | undefined, size: number | undefined): void {
  const fd = openSync(file, "wx", 0o600);
  try {
    const layout = format && "layout" in format ? format.layout([], size === undefined ? {} : { size }) : undefined;
    let position = 0;
    for (const piece of layout?.pieces() ?? []) {
      if (piece.kind === "bytes") position += writeSync(fd, piece.bytes, 0, piece.bytes.length, position);
      else if (piece.kind === "zeros") position += piece.length;
    }
    // What was not written is a hole, which reads as zeros.
    ftruncateSync(fd, layout?.size ?? size ?? FALLBACK);
  } finally {
    closeSync(fd);
  }
}
