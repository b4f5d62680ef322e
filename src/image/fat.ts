/** FAT volumes: FAT16 as MirageOS's ocaml-fat reads it, and FAT32 for guests with an ordinary driver. Pure. */
import { layoutFat } from "./fat-layout.ts";
import { detectFat, listFat } from "./fat-read.ts";
import type { LaidOutFormat } from "./format.ts";

export const fat: LaidOutFormat = {
  kind: "laid-out",
  name: "fat",
  summary: "FAT16 with ASCII names, as MirageOS fat_ro reads it; up to 2 GiB",
  rebuilds: true,
  takes: ["size", "sectorSize"],
  layout: (tree, options) => layoutFat({ name: "fat", kind: 16, rules: { mirage: true } }, tree, options),
  detect: (source) => detectFat(source, 16),
  list: listFat,
};

export const fat32: LaidOutFormat = {
  kind: "laid-out",
  name: "fat32",
  summary: "FAT32 with Unicode names, for Linux, rumprun and other guests with a FAT driver",
  rebuilds: true,
  takes: ["size", "sectorSize"],
  layout: (tree, options) => layoutFat({ name: "fat32", kind: 32, rules: { mirage: false } }, tree, options),
  detect: (source) => detectFat(source, 32),
  list: listFat,
};
