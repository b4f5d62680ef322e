/** An image from files on disk, in any format. */
import { realpathSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import type { ImageFormat, LaidOutFormat, LayoutOptions } from "../image/format.ts";
import { framesOf, hasFrames } from "../image/frames.ts";
import { StandBy } from "./crew.ts";
import { isInside, readSite, type Site, sizesOf } from "./read-tree.ts";
import { pathsOn, type SiteNames } from "./site-names.ts";
import { writeDocteur } from "./write-docteur.ts";
import { type BuiltImage, writeImage } from "./write-image.ts";
import { writeSerial } from "./write-serial.ts";

/** What to make. */
export interface ImageSpec {
  readonly format: ImageFormat;
  /** The directory with the files. */
  readonly from: string;
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

export interface MadeImage extends BuiltImage {
  /** Directories that are not in it, as there is no file below them. */
  readonly emptyDirectories: readonly string[];
}

/**
 * Writes the image, whole or not at all. Throws SITE_UNREADABLE before anything is written, SITE_UNREPRESENTABLE, FILE_CHANGED
 * when a file is not as long as the system says when it is looked at, IO_FAILED.
 */
export async function makeImage(spec: ImageSpec): Promise<MadeImage> {
  await using standBy = new StandBy();
  refuseWithin(spec.from, spec.out);
  const site = readSite(spec.from, () => spec.format.kind === "packed" || standBy.call());
  return { ...(await imageOf({ ...spec, site, standBy })), emptyDirectories: site.emptyDirectories };
}

/** The next image would hold this one. */
function refuseWithin(from: string, out: string): void {
  let place: string;
  let source: string;
  try {
    [place, source] = [realpathSync(path.dirname(path.resolve(out))), realpathSync(from)];
  } catch {
    // Whoever reads and writes there says what is wrong.
    return;
  }
  if (!isInside(source, place)) return;
  throw new DeployError("USAGE", `${out} would be written into ${from}, which it is made from`, {
    hint: "choose a place outside of it; what is in it now would go into the image as well",
  });
}

interface ImageJob extends ImageSpec {
  readonly site: Site;
  readonly standBy: StandBy;
}

async function imageOf(spec: ImageJob): Promise<BuiltImage> {
  const { format, site, out, onProgress } = spec;
  const mode = spec.mode === undefined ? {} : { mode: spec.mode };
  if (format.kind === "packed") {
    const files = sizesOf(site.names);
    format.check(files, spec.layout);
    const total = files.reduce((sum, { size }) => sum + size, 0);
    return writeDocteur(files, out, { ...mode, onProgress: (done) => onProgress?.(done, total) });
  }
  return (await withoutSizes(spec)) ?? withSizes(spec, format);
}

/** Undefined where the sizes have to be known: by the format, or to name every file that it cannot carry. */
async function withoutSizes(spec: ImageJob): Promise<BuiltImage | undefined> {
  const { site, standBy, layout, out, mode, onProgress } = spec;
  const { name } = spec.format;
  if (!hasFrames(name) || layout?.size !== undefined) return undefined;
  if (!canCarry(framesOf(name).maxPath, site.names)) return undefined;
  try {
    return await writeSerial({
      names: site.names,
      frames: name,
      out,
      standBy,
      ...(mode === undefined ? {} : { mode }),
      onProgress: (done) => onProgress?.(done, undefined),
    });
  } catch (error) {
    if (error instanceof DeployError && error.code === "SITE_UNREPRESENTABLE") return undefined;
    throw error;
  }
}

/** Three bytes are the most that one of a string's units becomes: few sites have a path that has to be looked at. */
const canCarry = (maxPath: number, names: SiteNames): boolean =>
  3 * names.longest <= maxPath ||
  names.pages.every((page) => pathsOn(page).every((path) => Buffer.byteLength(path) <= maxPath));

async function withSizes(
  { site, standBy, layout: options, out, mode, onProgress }: ImageJob,
  format: LaidOutFormat,
): Promise<BuiltImage> {
  const files = sizesOf(site.names);
  const layout = format.layout(files, options);
  return writeImage(layout, files, out, {
    standBy,
    ...(mode === undefined ? {} : { mode }),
    onProgress: (done) => onProgress?.(done, layout.size),
  });
}
