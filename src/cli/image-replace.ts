/** The verb `image replace`. */
import { statSync } from "node:fs";
import path from "node:path";
import { replaceVolume } from "../artifact/replace-volume.ts";
import { DeployError } from "../errors.ts";
import { DEFAULT_SYMBOL, requireSymbol } from "../image/elf-object.ts";
import { formatSize } from "../util/size.ts";
import type { Command } from "./command.ts";
import { openImage } from "./open-image.ts";

export const imageReplace: Command = {
  usage: "KERNEL IMAGE [--name N]",
  about: `
Puts the volume in IMAGE in the place of the one that was linked into KERNEL from an ELF object, between the symbols N_start
and N_end. The new one may be shorter; zeros fill the place up. IMAGE is an image of the same format as the old volume
(tar), or an ELF object with one. The kernel is replaced at once when all of it is written and verified, and untouched
otherwise.`,
  options: { name: { value: "NAME", help: `stem of the symbols around the volume (default: ${DEFAULT_SYMBOL})` } },
  positionals: ["KERNEL", "IMAGE"],
  examples: ["unikernel-deploy image replace www.hvt site.img --name site"],
  async run(args, io) {
    const [kernel, file] = args.positionals.map((name) => path.resolve(io.directory, name)) as [string, string];
    const name = args.text("name") ?? DEFAULT_SYMBOL;
    requireSymbol(name);
    if (!statSync(kernel, { throwIfNoEntry: false })?.isFile())
      throw new DeployError("USAGE", `${kernel}: no such file`);
    using image = openImage(file);
    const replaced = replaceVolume(kernel, { name, image: image.file, format: image.format });
    io.answer(
      { kernel, ...replaced },
      `${kernel}: ${formatSize(replaced.used)} in a place of ${formatSize(replaced.reserved)} at byte ${replaced.offset}\nsha256 ${replaced.sha256}`,
    );
    return 0;
  },
};
