/** An image from files on disk, in any format. */
import { DeployError } from "../errors.ts";
import type { ImageFormat, LaidOutFormat, LayoutOptions } from "../image/format.ts";
import { framesOf, hasFrames } from "../image/frames.ts";
import { type Site, sizesOf } from "./read-tree.ts";
import { writeDocteur } from "./write-docteur.ts";
import { type BuiltImage, writeImage } from "./write-image.ts";
import { writeSerial } from "./write-serial.ts";

/** What to make. */
export interface ImageSpec {
  readonly format: ImageFormat;
  readonly site: Pick<Site, "root" | "files">;
  readonly out: string;
  readonly layout?: LayoutOptions;
  /** Mode of the file; 0644 if absent. */
  readonly mode?: number;
  /**
   * Bytes done, and of how many: of the image, or of the site where nobody knows how large the image will be. Undefined
   * where nobody knows how large the site is.
   */
  readonly onProgress?: (done: number, total: number | undefined) => void;
}

/**
 * Writes the image, whole or not at all. Throws SITE_UNREPRESENTABLE before anything is written, FILE_CHANGED when a
 * file is not as long as it was, IO_FAILED.
 */
export async function makeImage(spec: ImageSpec): Promise<BuiltImage> {
  const { format, site, out, onProgress } = spec;
  const mode = spec.mode === undefined ? {} : { mode: spec.mode };
  if (format.kind === "packed") {
    const files = sizesOf(site.files);
    format.check(files, spec.layout);
    const total = files.reduce((sum, { size }) => sum + size, 0);
    return writeDocteur(files, out, { ...mode, onProgress: (done) => onProgress?.(done, total) });
  }
  return (await withoutSizes(spec)) ?? withSizes(spec, format);
}

/** Undefined where the sizes have to be known: by the format, or to name every file that it cannot carry. */
async function withoutSizes(spec: ImageSpec): Promise<BuiltImage | undefined> {
  const { site, layout, out, mode, onProgress } = spec;
  const { name } = spec.format;
  if (!hasFrames(name) || layout?.size !== undefined) return undefined;
  const { takes } = framesOf(name);
  if (!site.files.every(({ path }) => takes(path))) return undefined;
  try {
    return await writeSerial({
      ...site,
      frames: name,
      out,
      ...(mode === undefined ? {} : { mode }),
      onProgress: (done) => onProgress?.(done, undefined),
    });
  } catch (error) {
    if (error instanceof DeployError && error.code === "SITE_UNREPRESENTABLE") return undefined;
    throw error;
  }
}

async function withSizes(
  { site, layout: options, out, mode, onProgress }: ImageSpec,
  format: LaidOutFormat,
): Promise<BuiltImage> {
  const files = sizesOf(site.files);
  const layout = format.layout(files, options);
  return writeImage(layout, files, out, {
    ...(mode === undefined ? {} : { mode }),
    onProgress: (done) => onProgress?.(done, layout.size),
  });
}
