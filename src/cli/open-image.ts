/** An image named on the command line, its format found from its bytes. */
import { statSync } from "node:fs";
import { DeployError } from "../errors.ts";
import type { ImageEntry, ImageFormat } from "../image/format.ts";
import { detectFormat } from "../image/formats.ts";
import { type OpenFile, openFile } from "../util/files.ts";

export interface OpenImage extends Disposable {
  readonly format: ImageFormat;
  readonly file: OpenFile;
}

/** Throws USAGE where there is no such file, IMAGE_INVALID where no format is recognised. */
export function openImage(file: string): OpenImage {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    const found = stat === undefined ? "no such file" : stat.isDirectory() ? "a directory" : "not a regular file";
    throw new DeployError("USAGE", `${file}: ${found}`, { hint: "name an image file" });
  }
  const open = openFile(file);
  try {
    const format = detectFormat(open);
    if (format) return { format, file: open, [Symbol.dispose]: () => open[Symbol.dispose]() };
  } catch (error) {
    open[Symbol.dispose]();
    throw error;
  }
  open[Symbol.dispose]();
  throw new DeployError("IMAGE_INVALID", `${file} is not an image of a format this program knows`, {
    hint: "unikernel-deploy inspect says what it is",
  });
}

/** Throws USAGE where the image has no such file. */
export function findEntry(image: OpenImage, wanted: string): ImageEntry {
  for (const entry of image.format.list(image.file)) if (entry.path === wanted) return entry;
  throw new DeployError("USAGE", `${wanted} is not in the image`, { hint: "unikernel-deploy image ls lists what is" });
}
