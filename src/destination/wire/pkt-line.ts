/** Git's pkt-lines: four hex digits of length, then the line (gitprotocol-common). Pure; what is read is hostile. */

/** A line, or undefined for a flush. */
export type PktLine = Buffer | undefined;

const MAX_LINE = 65_520;

export function encodeLine(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, "0")), bytes]);
}

export const FLUSH = Buffer.from("0000");

/** The lines in `bytes`; undefined where they are not pkt-lines. */
export function decodeLines(bytes: Buffer): PktLine[] | undefined {
  const lines: PktLine[] = [];
  for (let at = 0; at < bytes.length; ) {
    const digits = bytes.toString("latin1", at, at + 4);
    const length = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : -1;
    if (length === 0) {
      lines.push(undefined);
      at += 4;
      continue;
    }
    if (length < 4 || length > MAX_LINE || at + length > bytes.length) return undefined;
    lines.push(bytes.subarray(at + 4, at + length));
    at += length;
  }
  return lines;
}
