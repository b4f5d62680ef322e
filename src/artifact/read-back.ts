/**
 * An image read back by somebody else's reader, for the check that compares it with the site. Tar has one: npm's `tar`,
 * which shares no line with our writer. Other formats are read by the listing half of their own module.
 */
import { createHash } from "node:crypto";
import { DeployError, messageOf } from "../errors.ts";
import type { ImageFormat } from "../image/format.ts";
import type { IndexEntry } from "../image/index-file.ts";
import { openFile } from "../util/files.ts";
import { scanImage } from "./scan-image.ts";

/** The files in the image with their git blob ids; throws IMAGE_INVALID where the reader objects. */
export async function readBack(file: string, format: ImageFormat): Promise<readonly IndexEntry[]> {
  return TAR_IMAGES.has(format.name) ? readTar(file) : (await scanImage(file, format)).index;
}

/** Formats whose image in a release directory is a tar. */
const TAR_IMAGES = new Set(["tar", "git"]);

async function readTar(file: string): Promise<readonly IndexEntry[]> {
  const { Parser } = await import("../util/tar-parser.ts");
  const index: IndexEntry[] = [];
  const warnings: string[] = [];
  const parser = new Parser({
    strict: true,
    onwarn: (code: string, message: string | Error) => warnings.push(`${code}: ${messageOf(message)}`),
    onReadEntry(entry) {
      const hash = createHash("sha1").update(`blob ${entry.size}\0`);
      const at = index.length;
      index.push({ path: entry.path, size: entry.size, id: entry.type });
      entry.on("data", (chunk: Buffer) => hash.update(chunk));
      entry.on("end", () => {
        if (entry.type === "File") index[at] = { path: entry.path, size: entry.size, id: hash.digest("hex") };
      });
      entry.resume();
    },
  });
  try {
    const ended = new Promise((resolve, reject) => parser.on("end", resolve).on("error", reject));
    ended.catch(() => {});
    // The reader would keep all that follows the end of the archive, which is the business of another check.
    let over = false;
    parser.on("eof", () => (over = true));
    for (const chunk of chunksOf(file)) {
      if (over) break;
      if (!parser.write(chunk)) await Promise.race([new Promise((resolve) => parser.once("drain", resolve)), ended]);
    }
    parser.end();
    await ended;
  } catch (error) {
    throw new DeployError("IMAGE_INVALID", `${file}: an independent tar reader stops: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (warnings.length > 0) {
    throw new DeployError("IMAGE_INVALID", `${file}: an independent tar reader objects`, { problems: warnings });
  }
  return index;
}

/** Whole blocks of tar, of which the reader keeps nothing: so one buffer does. */
const CHUNK = 1024 * 1024;

function* chunksOf(file: string): Iterable<Buffer> {
  using source = openFile(file);
  for (let offset = 0; offset < source.size; offset += CHUNK) yield source.read(offset, CHUNK) as Buffer;
}
