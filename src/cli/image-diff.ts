/** The verb `image diff`. */
import path from "node:path";
import { type ScannedImage, scanImage } from "../artifact/scan-image.ts";
import { DeployError } from "../errors.ts";
import { count } from "../util/size.ts";
import type { Command } from "./command.ts";
import { openImage } from "./open-image.ts";

export const imageDiff: Command = {
  usage: "A B",
  about: `
Lists the files that B has and A has not (+), that A has and B has not (-), and whose bytes differ (~), by their git blob
ids. The two images may have different formats. The exit code is 0 whether they differ or not.`,
  options: {},
  positionals: ["A", "B"],
  examples: ["unikernel-deploy image diff old.img new.img"],
  async run(args, io) {
    const [before, after] = args.positionals.map((file) => path.resolve(io.directory, file)) as [string, string];
    const a = await scan(before);
    const b = await scan(after);
    const changes = difference(a, b);
    const total = changes.added.length + changes.removed.length + changes.changed.length;
    const lines = [
      ...changes.removed.map((name) => ({ name, text: `- ${name}` })),
      ...changes.added.map((name) => ({ name, text: `+ ${name}` })),
      ...changes.changed.map((name) => ({ name, text: `~ ${name}` })),
    ].toSorted((x, y) => (x.name < y.name ? -1 : 1));
    const summary = total === 0 ? "the same files" : `${count(total, "file")} of ${b.index.length} differ`;
    io.answer({ formats: [a.format, b.format], ...changes }, [...lines.map(({ text }) => text), summary].join("\n"));
    return 0;
  },
};

type Scanned = ScannedImage & { readonly format: string };

/** Of two files, an error has to say which. */
async function scan(file: string): Promise<Scanned> {
  using image = openImage(file);
  try {
    return { ...(await scanImage(file, image.format)), format: image.format.name };
  } catch (error) {
    if (!(error instanceof DeployError) || error.message.includes(file)) throw error;
    const { code, hint, problems } = error;
    throw new DeployError(code, `${file}: ${error.message}`, { hint, problems, cause: error });
  }
}

function difference(a: ScannedImage, b: ScannedImage) {
  const before = new Map(a.index.map(({ path: name, id }) => [name, id]));
  const after = new Map(b.index.map(({ path: name, id }) => [name, id]));
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: [...after].flatMap(([name, id]) => (before.has(name) && before.get(name) !== id ? [name] : [])),
  };
}
