/**
 * Names in a FAT directory: the long name as given and the short one (8.3) that every entry must have beside it
 * (Microsoft, "FAT: General Overview of On-Disk Format", version 1.03, "FAT Long Directory Entries"). Pure.
 */

/** UTF-16 units a long name holds at most. */
const MAX_NAME = 255;
/** UTF-16 units in one slot of a long name. */
const PER_SLOT = 13;
/** What Microsoft's specification forbids in long names; control characters are refused for every format. */
const FORBIDDEN = /["*:<>?\\|]/;
/** A short name as it stands: upper case only, no blanks, at most one dot. */
const STRICT_SHORT = /^[A-Z0-9!#$%&'()@^_`{}~-]{1,8}(?:\.[A-Z0-9!#$%&'()@^_`{}~-]{1,3})?$/;
/** Numeric tails of short names end here: "~999999" leaves one character of the name. */
const MAX_TAIL_DIGITS = 6;

/** For which readers a volume is made. */
export interface NameRules {
  /**
   * MirageOS's ocaml-fat: one byte a character, so ASCII alone; it expects a NUL after every long name, so a name that
   * fills its last slot gets one more; and what could be a short name it never looks up by the long one.
   */
  readonly mirage: boolean;
}

/** Slots the long name takes in front of the short entry: 0 where the name is a short one, else 1 to 20. */
export function longSlots(name: string, rules: NameRules): number {
  return STRICT_SHORT.test(name) ? 0 : Math.ceil((name.length + (rules.mirage ? 1 : 0)) / PER_SLOT);
}

/** What is wrong with one name, or undefined. */
export function fatNameProblem(name: string, rules: NameRules): string | undefined {
  const bad = FORBIDDEN.exec(name);
  if (bad) return `FAT has no ${bad[0]} in names`;
  if (/[. ]$/.test(name)) return "FAT readers drop a dot or blank at the end of a name";
  if (name.startsWith(" ")) return "FAT readers drop a blank at the start of a name";
  if (name.length > MAX_NAME) return `a name of ${name.length} UTF-16 units; FAT holds ${MAX_NAME}`;
  if (!rules.mirage) return undefined;
  if (!isAscii(name)) return "MirageOS's FAT reader finds only ASCII names (format fat32 holds any)";
  if (!STRICT_SHORT.test(name) && looksShortToMirage(name)) {
    return "MirageOS's FAT reader takes it for another short name";
  }
  return undefined;
}

/** ocaml-fat splits at dots, dropping empty fields, and takes blanks for legal: ".GIT" is "GIT" to it. */
function looksShortToMirage(name: string): boolean {
  const fields = name.split(".").filter((field) => field !== "");
  const [base, extension] = fields;
  const legal = (text: string) => /^[A-Z0-9 !#$%&'()@^_`{}~-]*$/.test(text);
  if (base === undefined || fields.length > 2 || base.length > 8 || !legal(base)) return false;
  return extension === undefined || (extension.length <= 3 && legal(extension));
}

/**
 * The form in which two names are one to FAT: upper case, character by character. Letters whose upper case is several
 * (ß) stay, as in the tables that readers use.
 */
export function foldCase(name: string): string {
  if (isAscii(name)) return name.toUpperCase();
  let folded = "";
  for (const character of name) {
    const upper = character.toUpperCase();
    folded += upper.length === character.length ? upper : character;
  }
  return folded;
}

/**
 * Short names, eleven ASCII characters each as on disk, for the names of one directory, which differ even when case is ignored. Names that are short already, but
 * perhaps for their case, keep theirs; the others get a numeric tail that is free.
 */
export function shortNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  const given = names.map((name): string | undefined => {
    const upper = isAscii(name) ? name.toUpperCase() : "";
    if (!STRICT_SHORT.test(upper)) return undefined;
    const [base, extension = ""] = upper.split(".") as [string, string?];
    const short = padded(base, extension);
    taken.add(short);
    return short;
  });
  const next = new Map<string, number>();
  return names.map((name, i) => given[i] ?? tailed(name, taken, next));
}

/** "LONGNA~1HTM": what is legal of the name, and the first free number. Counters make many alike names cheap. */
function tailed(name: string, taken: Set<string>, next: Map<string, number>): string {
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot + 1)] : [name, ""];
  const base = legalShort(stem) || "_";
  const extension = legalShort(ending).slice(0, 3);
  for (let digits = 1; digits <= MAX_TAIL_DIGITS; digits++) {
    const prefix = `${base.slice(0, 7 - digits)}~`;
    const key = `${digits}${prefix}.${extension}`;
    for (let n = next.get(key) ?? 10 ** (digits - 1); n < 10 ** digits; n++) {
      const short = padded(`${prefix}${n}`, extension);
      if (taken.has(short)) continue;
      taken.add(short);
      next.set(key, n + 1);
      return short;
    }
    next.set(key, 10 ** digits);
  }
  // A directory has at most 65,536 entries, far fewer than there are tails.
  throw new RangeError("no short name is free");
}

function legalShort(text: string): string {
  return text
    .replaceAll(/[ .]/g, "")
    .toUpperCase()
    .replaceAll(/[^A-Z0-9!#$%&'()@^_`{}~-]/g, "_")
    .slice(0, 8);
}

const padded = (base: string, extension: string) => base.padEnd(8) + extension.padEnd(3);

const isAscii = (text: string) => /^[\u0000-\u007f]*$/.test(text);
