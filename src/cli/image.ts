/** The verbs `image create`, `ls`, `cat` and `extract`. */
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { makeImage } from "../artifact/make-image.ts";
import { readEntry } from "../artifact/read-entry.ts";
import { DeployError } from "../errors.ts";
import { DEFAULT_SYMBOL, OBJECT_ARCHES } from "../image/elf-object.ts";
import type { ImageFormat, LayoutOptions } from "../image/format.ts";
import { FORMAT_NAMES, formatNamed } from "../image/formats.ts";
import { makeDirectories } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";
import { count, doneOf, formatSize, parseSize } from "../util/size.ts";
import type { Arguments, Command } from "./command.ts";
import { findEntry, openImage } from "./open-image.ts";

const FORMATS_HELP = FORMAT_NAMES.map((name) => `  ${name.padEnd(10)}  ${formatNamed(name).summary}`).join("\n");

export const imageCreate: Command = {
  usage: "--from DIR --format F --out FILE [--size N] [--secret] [--sector-size N] [--arch A] [--name N]",
  about: `
Makes a block image from a directory. The same files give the same bytes on any machine. Links are followed while they
stay inside the directory; what the format cannot carry exactly is refused by name, all at once. With --secret the image
gets mode 0600: make it on the host, in memory (/run), never in a repository. docs/formats.md helps to choose a format:

${FORMATS_HELP}`,
  options: {
    from: { value: "DIR", required: true, help: "directory with the files" },
    format: { value: "FORMAT", help: `image format: ${FORMAT_NAMES.join(", ")} (default: tar)` },
    out: { value: "FILE", required: true, help: "image to write; an older one is replaced when this one is whole" },
    size: { value: "SIZE", help: "total size with head-room, such as 64MiB (default: the smallest that fits)" },
    secret: { help: "mode 0600" },
    "sector-size": {
      value: "BYTES",
      help: "fat, fat32: 512 or 4096, which guests on Xen need (default: what fits best)",
    },
    arch: { value: "ARCH", help: `elf-object: ${OBJECT_ARCHES.join(", ")} (default: x86_64)` },
    name: { value: "NAME", help: `elf-object: stem of its symbols, NAME_start and so on (default: ${DEFAULT_SYMBOL})` },
  },
  positionals: [],
  examples: [
    "unikernel-deploy image create --from _site --format tar --out site.img",
    "unikernel-deploy image create --from tls --format fat --size 4MiB --secret --out /run/www/tls.img",
    "unikernel-deploy image create --from _site --format elf-object --size 16MiB --name site --out site.o",
  ],
  async run(args, io) {
    const format = formatNamed(args.text("format") ?? "tar");
    const options = layoutOptions(args, format);
    const out = path.resolve(io.directory, args.text("out") as string);
    refuseOtherThanFile(out);
    const image = await makeImage({
      format,
      from: path.resolve(io.directory, args.text("from") as string),
      out,
      layout: options,
      ...(args.flag("secret") ? { mode: 0o600 } : {}),
      onProgress: (done, total) => io.log.progress(doneOf(done, total)),
    });
    const { size, sha256, files, bytes } = image;
    io.answer(
      { format: format.name, size, sha256, files, bytes },
      `${out}: ${format.name}, ${count(files, "file")}, ${formatSize(size)}\nsha256 ${sha256}`,
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
    for await (const chunk of readEntry(image.file, entry)) await io.bytes(Buffer.from(chunk));
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
      makeDirectories(path.dirname(to));
      using writer = new ImageWriter(to);
      for await (const chunk of readEntry(image.file, entry)) writer.bytes(chunk);
      writer.finish();
    }
    io.answer(
      { format: image.format.name, files: entries.length, directory },
      `${count(entries.length, "file")} in ${directory}`,
    );
    return 0;
  },
};

/** What the options of a layout are called here. */
const LAYOUT_FLAGS = { size: "size", sectorSize: "sector-size", arch: "arch", symbol: "name" } as const;

/** Throws USAGE with each option that is no such thing, or nothing that the format takes. */
function layoutOptions(args: Arguments, format: ImageFormat): LayoutOptions {
  const [size, sector, arch, symbol] = Object.values(LAYOUT_FLAGS).map((flag) => args.text(flag));
  const bytes = size === undefined ? undefined : parseSize(size);
  const problems: string[] = [];
  if (size !== undefined && bytes === undefined) problems.push(`--size: expected a size such as 64MiB, found ${size}`);
  if (sector !== undefined && sector !== "512" && sector !== "4096")
    problems.push(`--sector-size: expected 512 or 4096, found ${sector}`);
  const options = {
    ...(bytes === undefined ? {} : { size: bytes }),
    ...(sector === undefined ? {} : { sectorSize: Number(sector) }),
    ...(arch === undefined ? {} : { arch }),
    ...(symbol === undefined ? {} : { symbol }),
  };
  for (const option of Object.keys(options) as (keyof LayoutOptions)[]) {
    if (!format.takes.includes(option)) problems.push(`--${LAYOUT_FLAGS[option]}: ${format.name} images have none`);
  }
  if (problems.length > 0) {
    const title = problems.length === 1 ? "a mistake in the options" : `${problems.length} mistakes in the options`;
    throw new DeployError("USAGE", title, { problems, hint: "--help says which format takes which option" });
  }
  return options;
}

/** An image takes the place of what has its name: of a device or a directory it must not. */
function refuseOtherThanFile(out: string): void {
  const stat = statSync(out, { throwIfNoEntry: false });
  if (!stat || stat.isFile()) return;
  const what = stat.isDirectory() ? "a directory" : "not a regular file";
  throw new DeployError("USAGE", `--out: ${out} is ${what}`, { hint: "name the image file" });
}

function requireEmpty(directory: string): void {
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (!stat || (stat.isDirectory() && readdirSync(directory).length === 0)) return;
  throw new DeployError("OUTPUT_NOT_OURS", `${directory} is not an empty directory`, { hint: "choose a new one" });
}
