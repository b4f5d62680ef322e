/**
 * check: fat-portability. A guest finds each file of a FAT volume under its name. Our own writer refuses what this finds,
 * by the same rules; a volume from elsewhere has not been through it. Pure.
 */
import type { VolumeArtifact } from "../artifact/artifact.ts";
import { fatNameProblem, type NameRules } from "../image/fat-names.ts";
import { isSolo5Target } from "../kernel/solo5-releases.ts";
import type { Release } from "../release/release.ts";
import { formatSize } from "../util/size.ts";
import type { Check, Remark } from "./check.ts";
import { imagePath } from "./contents.ts";

/** By format: whether MirageOS's reader is who reads it. */
const RULES: Readonly<Record<string, NameRules>> = { fat: { mirage: true }, fat32: { mirage: false } };

export const fatPortability: Check = {
  id: "fat-portability",
  title: "a guest finds each file of a FAT volume",
  severity: "error",
  *run({ release }) {
    for (const volume of release.volumes) {
      const rules = RULES[volume.format.name];
      if (rules === undefined) continue;
      yield* unfindable(volume, rules);
      if (!rules.mirage) yield* emptyToMirage(volume, release);
    }
  },
};

/** A 32-bit size field. */
const MAX_FILE = 2 ** 32 - 1;
const HINT = "rename or leave out what is listed, or use format: tar, which has no such limits";

function* unfindable({ index }: VolumeArtifact, rules: NameRules): Iterable<Remark> {
  const judged = new Map<string, string | undefined>();
  for (const { path, size } of index) {
    for (const segment of path.split("/")) {
      const isNew = !judged.has(segment);
      const problem = isNew ? fatNameProblem(segment, rules) : judged.get(segment);
      judged.set(segment, problem);
      // A directory with a bad name is one finding, not one for each file in it.
      if (isNew && problem !== undefined) yield { path, message: `${path}: ${problem}`, hint: HINT };
    }
    if (size > MAX_FILE) {
      yield { path, message: `${path} has ${formatSize(size)}; a file on FAT has less than 4 GiB`, hint: HINT };
    }
  }
}

/** ocaml-fat knows FAT16 alone: of FAT32 it reads a root without entries, and does not complain. */
function* emptyToMirage(volume: VolumeArtifact, { kernels }: Release): Iterable<Remark> {
  if (!kernels.some(({ info }) => info.target !== null && isSolo5Target(info.target))) return;
  yield {
    path: imagePath(volume),
    severity: "warning",
    message: `volume ${volume.name} is FAT32, in which MirageOS's FAT reader finds no file, without an error`,
    hint: "use format: fat or tar, unless the guest has another FAT driver",
  };
}
