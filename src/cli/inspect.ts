/** The verb `inspect`. */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { digestFile, scanImage } from "../artifact/scan-image.ts";
import { DeployError } from "../errors.ts";
import { detectFormat } from "../image/formats.ts";
import { inspectKernel } from "../kernel/kernel.ts";
import { parseManifest } from "../manifest/manifest.ts";
import { readRelease } from "../release/directory.ts";
import { renderRelease } from "../report/text.ts";
import { openFile } from "../util/files.ts";
import { count, formatSize } from "../util/size.ts";
import type { Command, Io } from "./command.ts";
import { renderKernel } from "./kernel-text.ts";

export const inspect: Command = {
  usage: "FILE|DIR [--no-digest]",
  about: `
Says what something is, from its bytes and never from its name: a kernel (target, architecture, devices), an image (format,
files), a release manifest, or a release directory, whose digests are then all verified.`,
  options: { "no-digest": { help: "do not read the whole of a kernel or an image for its sha256" } },
  positionals: ["FILE|DIR"],
  examples: ["unikernel-deploy inspect dist/www.hvt", "unikernel-deploy inspect release --json"],
  async run(args, io) {
    const file = path.resolve(io.directory, args.positionals[0] as string);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat) throw new DeployError("USAGE", `${file}: no such file or directory`);
    if (stat.isDirectory()) return inspectRelease(file, io);
    using source = openFile(file);
    const first = source.read(0, 4);
    if (first[0] === 0x7b) return inspectManifest(file, io);
    const format = detectFormat(source);
    if (format) return inspectImage(file, format, args.flag("no-digest"), io);
    const info = inspectKernel(source);
    const digest = args.flag("no-digest") ? {} : { sha256: digestFile(file).sha256 };
    io.answer(
      { kind: "kernel", ...info, size: stat.size, ...digest },
      renderKernel(file, info, stat.size, digest.sha256),
    );
    return 0;
  },
};

async function inspectRelease(directory: string, io: Io): Promise<number> {
  const { manifest } = await readRelease(directory);
  io.answer(
    { kind: "release", manifest },
    `${directory}: release of ${manifest.name}, every digest verified\n${renderRelease(manifest)}`,
  );
  return 0;
}

function inspectManifest(file: string, io: Io): number {
  const manifest = parseManifest(readFileSync(file), file);
  const sequence = manifest.sequence === undefined ? "not deployed" : `release ${manifest.sequence}`;
  io.answer(
    { kind: "manifest", manifest },
    `${file}: manifest of ${manifest.name} (${sequence}), source ${manifest.source.commit}\n${renderRelease(manifest)}`,
  );
  return 0;
}

async function inspectImage(
  file: string,
  format: Parameters<typeof scanImage>[1],
  noDigest: boolean,
  io: Io,
): Promise<number> {
  if (noDigest) {
    using source = openFile(file);
    const entries = [...format.list(source)];
    return answerImage({ format: format.name, size: source.size, files: entries.length, bytes: total(entries) }, io);
  }
  const { size, sha256, index } = await scanImage(file, format);
  return answerImage({ format: format.name, size, sha256, files: index.length, bytes: total(index) }, io);
}

const total = (entries: readonly { readonly size: number }[]) => entries.reduce((sum, { size }) => sum + size, 0);

function answerImage(
  image: { format: string; size: number; sha256?: string; files: number; bytes: number },
  io: Io,
): number {
  const digest = image.sha256 ? `\nsha256 ${image.sha256}` : "";
  io.answer(
    { kind: "image", ...image },
    `${image.format} image: ${count(image.files, "file")} of ${formatSize(image.bytes)} in ${formatSize(image.size)}${digest}`,
  );
  return 0;
}
