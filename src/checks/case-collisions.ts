/** check: case-collisions. No two paths differ only in upper and lower case, or in how Unicode composes them. Pure. */
import type { Check, Remark } from "./check.ts";

export const caseCollisions: Check = {
  id: "case-collisions",
  title: "no two paths of a volume differ only in case",
  severity: "error",
  *run({ release, errorsOnly }) {
    for (const { name, format, index } of release.volumes) {
      const onFat = format.name === "fat" || format.name === "fat32";
      if (errorsOnly && !onFat) continue;
      for (const [path, other] of collisions(index.map((entry) => entry.path))) {
        yield onFat
          ? { path, message: `${other} and ${path} are one file on FAT (volume ${name})`, hint: "rename one of them" }
          : elsewhere(path, other);
      }
    }
  },
};

/** Tar and the guest tell them apart; a checkout of the site on macOS or Windows does not. */
function elsewhere(path: string, other: string): Remark {
  return {
    path,
    severity: "note",
    message: `${other} and ${path} differ only in case: file systems of macOS and Windows keep one of them`,
    hint: "rename one of them if the site is ever built or checked out there",
  };
}

/** Pairs of paths, or of their directories, that fold to the same; each collision once, at its shallowest. */
function* collisions(paths: readonly string[]): Iterable<readonly [string, string]> {
  const spellings = new Map<string, string>();
  const reported = new Set<string>();
  for (const path of paths) {
    for (let end = path.indexOf("/"); ; end = path.indexOf("/", end + 1)) {
      const prefix = end < 0 ? path : path.slice(0, end);
      const folded = fold(prefix);
      const other = spellings.get(folded);
      if (other === undefined) spellings.set(folded, prefix);
      else if (other !== prefix) {
        if (!reported.has(prefix)) yield [prefix, other];
        reported.add(prefix);
        break;
      }
      if (end < 0) break;
    }
  }
}

/** Upper case first: it makes one of both sigmas, and of ß what FAT and NTFS never fold, at no cost but caution. */
const fold = (path: string) =>
  ASCII.test(path) ? path.toLowerCase() : path.normalize("NFC").toUpperCase().toLowerCase();
const ASCII = /^[\0-\x7f]*$/;
