/** The image formats, by name. A new format is one file and one line here. Pure. */
import { DeployError } from "../errors.ts";
import type { ByteSource } from "../util/bytes.ts";
import { docteur } from "./docteur.ts";
import { elfObject } from "./elf-object.ts";
import { fat, fat32 } from "./fat.ts";
import type { ImageFormat } from "./format.ts";
import { git } from "./git.ts";
import { tar } from "./tar.ts";

const FORMATS = { tar, fat, fat32, docteur, "elf-object": elfObject, git } as const satisfies Record<
  string,
  ImageFormat
>;

export type FormatName = keyof typeof FORMATS;

export const FORMAT_NAMES = Object.keys(FORMATS) as [FormatName, ...FormatName[]];

export const isFormat = (name: string): name is FormatName => Object.hasOwn(FORMATS, name);

/** The format called `name`; throws USAGE naming those there are. */
export function formatNamed(name: string): ImageFormat {
  if (isFormat(name)) return FORMATS[name];
  throw new DeployError("USAGE", `there is no image format called ${JSON.stringify(name)}`, {
    hint: `one of: ${FORMAT_NAMES.join(", ")}`,
  });
}

/** The format whose marks the first bytes bear; undefined if none. */
export function detectFormat(source: ByteSource): ImageFormat | undefined {
  return Object.values(FORMATS).find((format) => format.detect(source));
}
