/**
 * What stands around the files of a tar volume: headers in the profile that every MirageOS tar reader from 2.4 to 3.3 accepts
 * (ocaml-tar, POSIX.1-1988 ustar, GNU long names). Pure.
 */
import { DeployError } from "../errors.ts";
import { roundUp } from "../util/bytes.ts";
import type { Frames } from "./frames.ts";

const BLOCK = 512;
const PADDING = 4096;
/** ustar header fields: name[100] at 0, prefix[155] at 345. */
const NAME_LENGTH = 100;
const PREFIX_LENGTH = 155;
/** ocaml-tar asserts that an extension body fits one block; a GNU long name is NUL-terminated inside it. */
export const MAX_PATH = 511;
/** Eleven octal digits. Base-256 sizes abort the guest's boot, so a larger file cannot be carried. */
export const MAX_SIZE = 8 * 1024 ** 3 - 1;
const LONG_LINK = "././@LongLink";

/** Bytes of a path in an image. */
export const pathBytes = (path: string) => Buffer.byteLength(path);

/** Bytes of the smallest volume for files that end at `end`: two zero blocks behind them, and whole sectors. */
export const volumeSize = (end: number) => roundUp(end + 2 * BLOCK, PADDING);

/** The next multiple that a volume can be made larger to. */
export const wholeSectors = (size: number) => roundUp(size, PADDING);

export const padding = (size: number) => (BLOCK - (size % BLOCK)) % BLOCK;

export const tarFrames: Frames = {
  maxPath: MAX_PATH,
  headerLength: (path) => headerLength(path),
  putHeader(path, size, data, at) {
    if (size > MAX_SIZE) throw new DeployError("SITE_UNREPRESENTABLE", overLimit(path, size));
    if (!putPlainHeader(path, size, data, at)) data.set(encodeAnyHeader(path, size), at);
  },
  padding,
  trailer: (end) => volumeSize(end) - end,
};

/** What is wrong with a file above MAX_SIZE. */
export const overLimit = (path: string, size: number): string =>
  `${path}: ${size} bytes; a tar header holds at most ${MAX_SIZE}`;

/** A place for a header. */
export const newBlock = () => Buffer.alloc(BLOCK);

/** Bytes of the header of a file whose path has so many. */
export function headerLength(path: string, bytes = pathBytes(path)): number {
  // Paths of up to 100 bytes are by far the most; they need no split.
  if (bytes <= NAME_LENGTH) return BLOCK;
  return splitPath(Buffer.from(path)) ? BLOCK : 3 * BLOCK;
}

/** The header of one file: in `block`, or three others where the path needs a GNU long-name record. */
export function encodeHeader(path: string, size: number, block: Uint8Array): Uint8Array {
  return putPlainHeader(path, size, block, 0) ? block : encodeAnyHeader(path, size);
}

/**
 * Puts down the header of a file with a short ASCII path, which nearly every path is; false for any other. Text is put down
 * and added up in one go: there is a header for every file, and this is half of what a small one costs here.
 */
function putPlainHeader(path: string, size: number, data: Uint8Array, at: number): boolean {
  if (path.length > NAME_LENGTH) return false;
  data.set(TEMPLATE, at);
  let sum = TEMPLATE_SUM + TYPE_FILE;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code > 0x7f) return false;
    data[at + i] = code;
    sum += code;
  }
  data[at + TYPE_AT] = TYPE_FILE;
  let left = size;
  for (let i = SIZE_AT + SIZE_DIGITS - 1; i >= SIZE_AT; i--) {
    const digit = left % 8;
    data[at + i] = ZERO + digit;
    sum += digit;
    left = Math.floor(left / 8);
  }
  for (let i = SUM_AT + SUM_DIGITS - 1; i >= SUM_AT; i--) {
    data[at + i] = ZERO + (sum & 7);
    sum >>= 3;
  }
  data[at + SUM_AT + SUM_DIGITS] = 0;
  return true;
}

function encodeAnyHeader(path: string, size: number): Uint8Array {
  const name = Buffer.from(path);
  const split = splitPath(name);
  if (split) return header({ ...split, size, type: "0" });
  const body = Buffer.alloc(BLOCK);
  name.copy(body);
  return Buffer.concat([
    header({ prefix: "", name: Buffer.from(LONG_LINK), size: name.length + 1, type: "L" }),
    body,
    header({ prefix: "", name: name.subarray(0, NAME_LENGTH), size, type: "0" }),
  ]);
}

interface SplitName {
  readonly prefix: Uint8Array | "";
  readonly name: Uint8Array;
}

/** The path in the two header fields, cut at the last slash that lets both fit; undefined if none does. */
function splitPath(path: Buffer): SplitName | undefined {
  if (path.length <= NAME_LENGTH) return { prefix: "", name: path };
  const slash = path.lastIndexOf("/", PREFIX_LENGTH);
  if (slash <= 0 || path.length - slash - 1 > NAME_LENGTH) return undefined;
  return { prefix: path.subarray(0, slash), name: path.subarray(slash + 1) };
}

/** The fields that are the same in every header: mode, owner, time, magic and version, device numbers. */
const TEMPLATE = (() => {
  const block = Buffer.alloc(BLOCK);
  block.write("0000644\0" + "0000000\0" + "0000000\0" + "00000000000\0" + "00000000000\0", NAME_LENGTH, "latin1");
  block.write("        ", 148, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  block.write("0000000\0" + "0000000\0", 329, "latin1");
  return block;
})();

const SIZE_AT = 124;
const SIZE_DIGITS = 11;
const SUM_AT = 148;
const SUM_DIGITS = 6;
const TYPE_AT = 156;
const ZERO = 0x30;
const TYPE_FILE = ZERO;
/** Sum of the bytes that every header shares: the size's zeros, and the spaces that the checksum counts itself as. */
const TEMPLATE_SUM = TEMPLATE.reduce((sum, byte) => sum + byte, 0);

function header(fields: SplitName & { size: number; type: "0" | "L" }): Buffer {
  const block = Buffer.from(TEMPLATE);
  block.set(fields.name, 0);
  if (fields.prefix !== "") block.set(fields.prefix, 345);
  block.write(fields.size.toString(8).padStart(SIZE_DIGITS, "0"), SIZE_AT, "latin1");
  block.write(fields.type, TYPE_AT, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(SUM_DIGITS, "0")}\0 `, SUM_AT, "latin1");
  return block;
}
