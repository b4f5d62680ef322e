/**
 * Images for docteur, MirageOS's read-only store in a git pack: compressed, and equal files stored once. Pure but for
 * the sizes that compression gives, which the writer finds (artifact/write-docteur.ts).
 *
 * | byte | bytes | |
 * | 0 | 20 | id of the commit |
 * | 20 | 8 | where the index begins, little-endian |
 * | 28 | | a pack, version 2 |
 * | next multiple of 4096 | | its index, version 2 |
 * | | | zeros to a multiple of 4096 |
 */
import { DeployError } from "../errors.ts";
import { count } from "../util/size.ts";
import { detectDocteur, listDocteur } from "./docteur-read.ts";
import type { LayoutOptions, PackedFormat } from "./format.ts";
import { type FileTree, treeProblems } from "./tree.ts";

/** Where the pack begins. */
export const PACK_OFFSET = 28;
/** The largest sector that guests see; docteur reads whole ones, and wants the index at the start of one. */
const BLOCK = 4096;

export const docteur: PackedFormat = {
  kind: "packed",
  name: "docteur",
  summary: "a git pack for MirageOS docteur: compressed, equal files stored once",
  rebuilds: false,
  takes: [],
  check: checkDocteur,
  detect: detectDocteur,
  list: listDocteur,
};

function checkDocteur(tree: FileTree, { size }: LayoutOptions = {}): void {
  const problems = treeProblems(tree);
  for (const { path } of tree) {
    if (path.split("/").some((segment) => segment.toLowerCase() === ".git")) {
      problems.push(`${path}: git stores no path with a ".git" segment`);
    }
  }
  if (size !== undefined) problems.push("a docteur image has no head-room: it ends where its index ends");
  if (problems.length === 0) return;
  throw new DeployError("SITE_UNREPRESENTABLE", `a docteur volume cannot carry ${count(problems.length, "thing")}`, {
    problems,
    hint: "rename or leave out what is listed; nothing was written",
  });
}

/** Where what follows `end` begins. docteur's own writer leaves a whole block where the end is a boundary already. */
export function nextBlock(end: number): number {
  return (Math.floor(end / BLOCK) + 1) * BLOCK;
}

/** The first 28 bytes. */
export function docteurHeader(commit: string, index: number): Buffer {
  const header = Buffer.alloc(PACK_OFFSET);
  header.write(commit, 0, "hex");
  header.writeBigUInt64LE(BigInt(index), 20);
  return header;
}
