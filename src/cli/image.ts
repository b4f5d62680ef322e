/** The verbs `image create`, `ls`, `cat` and `extract`. */
import { mkdirSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { readSite } from "../artifact/read-tree.ts";
import { writeImage } from "../artifact/write-image.ts";
import { DeployError } from "../errors.ts";
import type { ImageEntry, ImageFormat } from "../image/format.ts";
import { detectFormat, formatNamed } from "../image/formats.ts";
import { type OpenFile, openFile } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";
import { count, formatSize, parseSize } from "../util/size.ts";
import type { Command } from "./command.ts";

export const imageCreate: Command = {
  usage: "--from DIR --format F --out FILE [--size N] [--secret]",
  about: `
Makes a block image from a directory. The same files give the same bytes on any machine. Links are followed while they
stay inside the directory; what the format cannot carry exactly is refused by name, all at once. With --secret the image
gets mode 0600: make it on the host, in memory (/run), never in a repository.`,
  options: {
    from: { value: "DIR", required: true, help: "directory with the files" },
    format: { value: "FORMAT", help: "image format (default: tar)" },
    out: { value: "FILE", required: true, help: "image to write; an older one is replaced when this one is whole" },
    size: { value: "SIZE", help: "total size with head-room, such as 64MiB (default: the smallest that fits)" },
    secret: { help: "mode 0600" },
  },
  positionals: [],
  examples: ["unikernel-deploy image create --from _site --format tar --out site.img"],
  async run(args, io) {
    const format = formatNamed(args.text("format") ?? "tar");
    const size = args.text("size") === undefined ? undefined : parseSize(args.text("size") as string);
    if (args.text("size") !== undefined && size === undefined) {
      throw new DeployError("USAGE", `--size: expected a size such as 64MiB, found ${args.text("size")}`);
    }
    const out = path.resolve(io.directory, args.text("out") as string);
    if (statSync(out, { throwIfNoEntry: false })?.isDirectory())
      throw new DeployError("USAGE", `--out: ${out} is a directory`, { hint: "name the image file" });
    const site = readSite(path.resolve(io.directory, args.text("from") as string));
    const layout = format.layout(site.files, size === undefined ? {} : { size });
    const image = await writeImage(layout, site.files, out, {
      ...(args.flag("secret") ? { mode: 0o600 } : {}),
      onProgress: (written) => io.log.progress(`${formatSize(written)} of ${formatSize(layout.size)}`),
    });
    const document = {
      format: format.name,
      size: image.size,
      sha256: image.sha256,
      files: site.files.length,
      bytes: site.bytes,
    };
    io.answer(
      document,
      `${out}: ${format.name}, ${count(site.files.length, "file")}, ${formatSize(image.size)}\nsha256 ${image.sha256}`,
    );
    return 0;
  },
};

export const imageLs: Command = {
  usage: "FILE",
  about: "Lists the files in an image, in image order: size in bytes and path. The format is found from the bytes.",
  options: {},
  positionals: ["FILE"],
  examples: ["unikernel-deploy image ls site.img"],
  async run(args, io) {
    using image = openImage(path.resolve(io.directory, args.positionals[0] as string));
    const entries = [...image.format.list(image.file)];
    io.answer(
      { format: image.format.name, files: entries.map(({ path: name, size }) => ({ path: name, size })) },
      entries.map(({ path: name, size }) => `${String(size).padStart(12)}  ${name}`).join("\n"),
    );
    return 0;
  },
};

export const imageCat: Command = {
  usage: "FILE PATH",
  about: "Prints the bytes of one file of an image to standard output. With --json, its path and size instead.",
  options: {},
  positionals: ["FILE", "PATH"],
  examples: ["unikernel-deploy image cat site.img index.html"],
  async run(args, io) {
    const [file, wanted] = args.positionals as [string, string];
    using image = openImage(path.resolve(io.directory, file));
    const entry = findEntry(image, wanted);
    if (args.flag("json")) {
      io.answer({ path: entry.path, size: entry.size }, "");
      return 0;
    }
    for (const chunk of contentOf(image, entry)) await io.bytes(Buffer.from(chunk));
    return 0;
  },
};

export const imageExtract: Command = {
  usage: "FILE DIR",
  about: "Writes the files of an image into a new or empty directory. Names that would leave it are refused.",
  options: {},
  positionals: ["FILE", "DIR"],
  examples: ["unikernel-deploy image extract site.img site"],
  async run(args, io) {
    const [file, target] = args.positionals as [string, string];
    const directory = path.resolve(io.directory, target);
    using image = openImage(path.resolve(io.directory, file));
    requireEmpty(directory);
    const entries = [...image.format.list(image.file)];
    for (const entry of entries) {
      const to = path.join(directory, entry.path);
      mkdirSync(path.dirname(to), { recursive: true });
      using writer = new ImageWriter(to);
      for (const chunk of contentOf(image, entry)) writer.bytes(chunk);
      writer.finish();
    }
    io.answer(
      { format: image.format.name, files: entries.length, directory },
      `${count(entries.length, "file")} in ${directory}`,
    );
    return 0;
  },
};

interface OpenImage extends Disposable {
  readonly format: ImageFormat;
  readonly file: OpenFile;
}

/** Throws USAGE where there is no such file, IMAGE_INVALID where no format is recognised. */
function openImage(file: string): OpenImage {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new DeployError("USAGE", `${file}: no such file`, { hint: "name an image file" });
  const open = openFile(file);
  const format = detectFormat(open);
  if (!format) {
    open[Symbol.dispose]();
    throw new DeployError("IMAGE_INVALID", `${file} is not an image of a format this program knows`, {
      hint: "unikernel-deploy inspect says what it is",
    });
  }
  return { format, file: open, [Symbol.dispose]: () => open[Symbol.dispose]() };
}

function findEntry(image: OpenImage, wanted: string): ImageEntry {
  for (const entry of image.format.list(image.file)) if (entry.path === wanted) return entry;
  throw new DeployError("USAGE", `${wanted} is not in the image`, { hint: "unikernel-deploy image ls lists what is" });
}

const CHUNK = 256 * 1024;

/** The bytes of a file in chunks; each is valid until the next is asked for. */
function* contentOf(image: OpenImage, { offset, size }: ImageEntry): Generator<Uint8Array> {
  for (let done = 0; done < size; done += CHUNK) yield image.file.read(offset + done, Math.min(CHUNK, size - done));
}

function requireEmpty(directory: string): void {
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (!stat || (stat.isDirectory() && readdirSync(directory).length === 0)) return;
  throw new DeployError("OUTPUT_NOT_OURS", `${directory} is not an empty directory`, { hint: "choose a new one" });
}
