/** Where two files differ, in bytes and in words. Pure. */
import type { ByteSource } from "../util/bytes.ts";
import { count } from "../util/size.ts";

/** A range of bytes of a source. */
export interface Extent {
  readonly source: ByteSource;
  readonly offset: number;
  readonly size: number;
}

const CHUNK = 64 * 1024;
/** Bytes shown on either side of the first difference. */
const BEFORE = 16;
const SHOWN = 48;
/** Differences closer than this are one place: a time, a path. */
const GAP = 16;

/** "12 bytes differ in 2 places, the first at byte 1034: …"; undefined when all bytes are equal. */
export function describeDifference(a: Extent, b: Extent): string | undefined {
  const common = Math.min(a.size, b.size);
  let bytes = 0;
  let places = 0;
  let first = -1;
  let last = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < common; at += CHUNK) {
    const length = Math.min(CHUNK, common - at);
    const left = Buffer.from(a.source.read(a.offset + at, length));
    const right = b.source.read(b.offset + at, length);
    if (left.equals(right)) continue;
    for (let i = 0; i < length; i++) {
      if (left[i] === right[i]) continue;
      if (first < 0) first = at + i;
      if (at + i - last > GAP) places++;
      last = at + i;
      bytes++;
    }
  }
  const sizes = a.size === b.size ? "" : `${count(a.size, "byte")} and then ${count(b.size, "byte")}`;
  if (bytes === 0) return sizes === "" ? undefined : `${sizes}; the shorter is the beginning of the longer`;
  const where = `${count(bytes, "byte")} ${bytes === 1 ? "differs" : "differ"} in ${count(places, "place")}, the first at byte ${first}`;
  const parts = [sizes, `${where}: ${excerpt(a, first)} and then ${excerpt(b, first)}`];
  return parts.filter((part) => part !== "").join("; ");
}

/** The bytes around a place: as text where they are text, else in hex. */
function excerpt({ source, offset, size }: Extent, at: number): string {
  const start = Math.max(0, at - BEFORE);
  const bytes = Buffer.from(source.read(offset + start, Math.min(SHOWN, size - start)));
  const text = bytes.toString("latin1");
  return /^[\t\n\r\x20-\x7e]*$/.test(text) ? JSON.stringify(text) : `<${bytes.subarray(0, 24).toString("hex")}>`;
}
