/**
 * check: fat-portability. Every name of a FAT volume is one that ocaml-fat finds again, and the volume is one it can
 * open. The rules stand apart from the check, so that whoever writes FAT can refuse by them. Pure.
 */
import type { FileEntry } from "../image/tree.ts";
import { count, formatSize } from "../util/size.ts";
import type { Check } from "./check.ts";
import { imagePath } from "./contents.ts";

export const fatPortability: Check = {
  id: "fat-portability",
  title: "a guest finds each file of a FAT volume",
  severity: "error",
  *run({ release }) {
    for (const volume of release.volumes) {
      if (volume.format.name !== "fat") continue;
      for (const { path, message } of fatProblems(volume.index)) {
        yield {
          path: path || imagePath(volume),
          message,
          hint: "rename or leave out what is listed, or use format: tar, which has no such limits",
        };
      }
    }
  },
};

export interface FatProblem {
  /** Empty for one of the volume as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A 32-bit size field. */
const MAX_FILE = 2 ** 32 - 1;
/** FAT16 with clusters of 32 KiB: 65,524 of them. */
const MAX_CONTENT = 65_524 * 32_768;
const MAX_NAME = 255;
/** Directory entries of the root, whose size is fixed when the volume is made. */
const MAX_ROOT_SLOTS = 512;

/** Every reason why a guest would not find these files on a FAT16 volume. */
export function* fatProblems(files: readonly FileEntry[]): Iterable<FatProblem> {
  const root = new Set<string>();
  const checked = new Set<string>();
  let bytes = 0;
  for (const { path, size } of files) {
    const segments = path.split("/");
    root.add(segments[0] as string);
    bytes += size;
    for (const segment of segments) {
      if (checked.has(segment)) continue;
      checked.add(segment);
      const problem = fatNameProblem(segment);
      if (problem !== undefined) yield { path, message: `${path}: ${problem}` };
    }
    if (size > MAX_FILE) yield { path, message: `${path} has ${formatSize(size)}; a file on FAT has less than 4 GiB` };
  }
  if (bytes > MAX_CONTENT)
    yield {
      path: "",
      message: `the files have ${formatSize(bytes)}; a FAT16 volume holds at most ${formatSize(MAX_CONTENT)}`,
    };
  const slots = [...root].reduce((sum, name) => sum + slotsOf(name), 0);
  if (slots > MAX_ROOT_SLOTS) {
    yield {
      path: "",
      message: `${count(root.size, "name")} in the root take ${slots} directory entries; there are ${MAX_ROOT_SLOTS}`,
    };
  }
}

/** What is wrong with one segment of a path on FAT, or undefined. */
export function fatNameProblem(name: string): string | undefined {
  const shown = JSON.stringify(name);
  if (!/^[\x20-\x7e]*$/.test(name)) return `${shown} is not plain ASCII, and ocaml-fat reads long names byte by byte`;
  const odd = /["*:<>?\\|]/.exec(name);
  if (odd) return `${shown} has a "${odd[0]}", which FAT does not allow`;
  if (/[. ]$/.test(name)) return `${shown} ends in a dot or a space, which FAT drops`;
  if (name.length > MAX_NAME) return `${shown.slice(0, 40)}… has ${name.length} characters; FAT takes ${MAX_NAME}`;
  if (/^\.[A-Z0-9]{1,8}$/.test(name)) return `${shown} is the same to ocaml-fat as ${JSON.stringify(name.slice(1))}`;
  return undefined;
}

/** One entry for a short name in upper case; else one more for each 13 characters, and one for ocaml-fat's final NUL. */
function slotsOf(name: string): number {
  if (/^[A-Z0-9_-]{1,8}(?:\.[A-Z0-9_-]{1,3})?$/.test(name)) return 1;
  return 1 + Math.ceil((name.length + 1) / 13);
}
