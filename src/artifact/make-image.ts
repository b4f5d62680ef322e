/** An image from files on disk, in any format. */
import type { ImageFormat, LayoutOptions } from "../image/format.ts";
import type { FileTree } from "../image/tree.ts";
import type { SiteFile } from "./read-tree.ts";
import { writeDocteur } from "./write-docteur.ts";
import { type BuiltImage, writeImage } from "./write-image.ts";

/** What to make. */
export interface ImageSpec {
  readonly format: ImageFormat;
  readonly files: FileTree<SiteFile>;
  readonly out: string;
  readonly layout?: LayoutOptions;
  /** Mode of the file; 0644 if absent. */
  readonly mode?: number;
  /** Bytes done, and of how many: of the image, or of the site where nobody knows how large the image will be. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Writes the image, whole or not at all. Throws SITE_UNREPRESENTABLE before anything is written, FILE_CHANGED when a
 * file is not as long as it was, IO_FAILED.
 */
export async function makeImage(spec: ImageSpec): Promise<BuiltImage> {
  const { format, files, out, onProgress } = spec;
  const mode = spec.mode === undefined ? {} : { mode: spec.mode };
  if (format.kind === "packed") {
    format.check(files, spec.layout);
    const total = files.reduce((sum, { size }) => sum + size, 0);
    return writeDocteur(files, out, { ...mode, onProgress: (done) => onProgress?.(done, total) });
  }
  const layout = format.layout(files, spec.layout);
  return writeImage(layout, files, out, { ...mode, onProgress: (done) => onProgress?.(done, layout.size) });
}
