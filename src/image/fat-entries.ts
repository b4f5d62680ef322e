/**
 * Directory entries of 32 bytes: short ones, and the slots of a long name in front of them, last slot first (Microsoft
 * FAT specification 1.03, "FAT 32 Byte Directory Entry Structure"). Pure.
 */
import { longSlots, type NameRules } from "./fat-names.ts";

export const ENTRY = 32;
export const ATTRIBUTE = { volume: 0x08, directory: 0x10, archive: 0x20, longName: 0x0f } as const;
/** In the number of the slot that comes first on disk and holds the end of the name. */
export const LAST_SLOT = 0x40;
/** Where the 13 UTF-16 units of a slot are. */
export const UNIT_OFFSETS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30] as const;
/** 1980-01-01, the first day there is: an image tells nothing of when it was made. */
const FIRST_DAY = (1 << 5) | 1;

/** What an entry points at. */
export interface Target {
  readonly directory: boolean;
  /** First cluster; 0 for an empty file, and for the root directory in "..". */
  readonly cluster: number;
  /** Bytes in a file; 0 for a directory. */
  readonly size: number;
}

/** A name as given, and the short one beside it. */
export interface NamePair {
  readonly long: string;
  readonly short: string;
}

/** Writes the entries of one name at `at`; returns where the next one goes. */
export function putEntry(to: DataView, at: number, name: NamePair, target: Target, rules: NameRules): number {
  const slots = longSlots(name.long, rules);
  const checksum = shortChecksum(name.short);
  for (let slot = slots; slot > 0; slot--, at += ENTRY) {
    to.setUint8(at, slot | (slot === slots ? LAST_SLOT : 0));
    to.setUint8(at + 11, ATTRIBUTE.longName);
    to.setUint8(at + 13, checksum);
    UNIT_OFFSETS.forEach((offset, i) => {
      to.setUint16(at + offset, unitAt(name.long, (slot - 1) * UNIT_OFFSETS.length + i), true);
    });
  }
  return putShort(to, at, name.short, target);
}

/** The name, one NUL where there is room for it, and 0xFFFF to the end of the slot. */
function unitAt(name: string, i: number): number {
  if (i < name.length) return name.charCodeAt(i);
  return i === name.length ? 0 : 0xffff;
}

/** Writes "." and "..", with which every directory but the root begins. */
export function putDots(to: DataView, cluster: number, parent: number): number {
  const next = putShort(to, 0, ".".padEnd(11), { directory: true, cluster, size: 0 });
  return putShort(to, next, "..".padEnd(11), { directory: true, cluster: parent, size: 0 });
}

function putShort(to: DataView, at: number, short: string, { directory, cluster, size }: Target): number {
  for (let i = 0; i < 11; i++) to.setUint8(at + i, short.charCodeAt(i));
  to.setUint8(at + 11, directory ? ATTRIBUTE.directory : ATTRIBUTE.archive);
  to.setUint16(at + 16, FIRST_DAY, true);
  to.setUint16(at + 18, FIRST_DAY, true);
  to.setUint16(at + 20, cluster >>> 16, true);
  to.setUint16(at + 24, FIRST_DAY, true);
  to.setUint16(at + 26, cluster & 0xffff, true);
  to.setUint32(at + 28, size, true);
  return at + ENTRY;
}

/** Ties the slots of a long name to the short entry behind them (specification 1.03, ChkSum). */
function shortChecksum(short: string): number {
  let sum = 0;
  for (let i = 0; i < 11; i++) sum = (((sum & 1) << 7) + (sum >> 1) + short.charCodeAt(i)) & 0xff;
  return sum;
}
