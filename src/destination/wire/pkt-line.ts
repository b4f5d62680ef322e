/** Git's pkt-lines: four hex digits of length, then the line (gitprotocol-common). Pure; what is read is hostile. */

/** A line, or undefined between two sections: a flush, a delimiter or the end of a response. */
export type PktLine = Buffer | undefined;

const MAX_LINE = 65_520;
/** Marks are four bytes each, and take forty times as much here. */
const MAX_LINES = 500_000;

export function encodeLine(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, "0")), bytes]);
}

export const FLUSH = Buffer.from("0000");
export const DELIMITER = Buffer.from("0001");

/** The lines in `bytes`; undefined where they are not pkt-lines, or more than any answer has. */
export function decodeLines(bytes: Buffer): PktLine[] | undefined {
  const lines: PktLine[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = lengthAt(bytes, at);
    if (length === undefined || at + length > bytes.length || lines.length === MAX_LINES) return undefined;
    lines.push(length < 4 ? undefined : bytes.subarray(at + 4, at + length));
    at += Math.max(length, 4);
  }
  return lines;
}

/** Where the flush that ends a response ends, from `at`; or where a line begins that is not all here. */
export function findFlush(bytes: Buffer, at: number): { readonly end: number; readonly found: boolean } | undefined {
  let end = at;
  while (end + 4 <= bytes.length) {
    const length = lengthAt(bytes, end);
    if (length === undefined) return undefined;
    if (length === 0) return { end: end + 4, found: true };
    const next = end + Math.max(length, 4);
    if (next > bytes.length) break;
    end = next;
  }
  return { end, found: false };
}

/** The length that a line announces; 0 to 2 for the marks between sections. */
function lengthAt(bytes: Buffer, at: number): number | undefined {
  const digits = bytes.toString("latin1", at, at + 4);
  const length = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : -1;
  return length < 0 || length === 3 || length > MAX_LINE ? undefined : length;
}
