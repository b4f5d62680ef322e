/**
 * Tar volumes: files-only ustar in the profile that every MirageOS tar reader from 2.4 to 3.3 accepts (ocaml-tar,
 * POSIX.1-1988 ustar, GNU long names). No directories, no links, no clocks. Pure.
 *
 * The reader opens a block device, so the image ends in two zero blocks and is padded to 4096 bytes: mirage-block-xen
 * serves sectors of at least 4096 bytes and drops a partial last one.
 */
import { DeployError } from "../errors.ts";
import { roundUp } from "../util/bytes.ts";
import { count } from "../util/size.ts";
import type { ImageLayout, LaidOutFormat, LayoutOptions, Piece } from "./format.ts";
import { detectTar, listTar } from "./tar-read.ts";
import { type FileTree, treeProblems } from "./tree.ts";

export const BLOCK = 512;
const PADDING = 4096;
/** ustar header fields: name[100] at 0, prefix[155] at 345. */
const NAME_LENGTH = 100;
const PREFIX_LENGTH = 155;
/** ocaml-tar asserts that an extension body fits one block; a GNU long name is NUL-terminated inside it. */
export const MAX_PATH = 511;
/** Eleven octal digits. Base-256 sizes abort the guest's boot, so a larger file cannot be carried. */
const MAX_SIZE = 8 * 1024 ** 3 - 1;
const LONG_LINK = "././@LongLink";

export const tar: LaidOutFormat = {
  kind: "laid-out",
  name: "tar",
  summary: "files-only ustar, for MirageOS tar_kv_ro and anything that reads tar",
  rebuilds: true,
  layout: layoutTar,
  detect: detectTar,
  list: listTar,
};

function layoutTar(tree: FileTree, options: LayoutOptions = {}): ImageLayout {
  const problems = treeProblems(tree);
  const starts: number[] = [];
  let end = 0;
  for (const { path, size } of tree) {
    starts.push(end);
    // A UTF-16 unit is three bytes of UTF-8 at most.
    const bytes = path.length * 3 > MAX_PATH ? Buffer.byteLength(path) : 0;
    if (bytes > MAX_PATH) problems.push(`${path}: ${bytes} bytes of path; a MirageOS tar reader takes ${MAX_PATH}`);
    if (size > MAX_SIZE) problems.push(`${path}: ${size} bytes; a tar header holds at most ${MAX_SIZE}`);
    end += headerLength(path) + roundUp(size, BLOCK);
  }
  const needed = roundUp(end + 2 * BLOCK, PADDING);
  const size = options.size === undefined ? needed : roundUp(options.size, PADDING);
  if (size < needed) problems.push(`the files need ${needed} bytes, the volume is given ${options.size}`);
  if (problems.length > 0) {
    throw new DeployError("SITE_UNREPRESENTABLE", `a tar volume cannot carry ${count(problems.length, "thing")}`, {
      problems,
      hint: "rename, shorten or leave out what is listed; nothing was written",
    });
  }
  return { size, starts, pieces: () => tarPieces(tree, size - end) };
}

function* tarPieces(tree: FileTree, trailer: number): Generator<Piece> {
  // One for all: there is a header for every file, and memory for each would be half of what is thrown away here.
  const block = Buffer.alloc(BLOCK);
  for (let file = 0; file < tree.length; file++) {
    const { path, size } = tree[file] as FileTree[number];
    yield { kind: "bytes", bytes: encodeHeader(path, size, block) };
    if (size > 0) yield { kind: "content", file, size };
    if (size % BLOCK !== 0) yield { kind: "zeros", length: BLOCK - (size % BLOCK) };
  }
  yield { kind: "zeros", length: trailer };
}

function headerLength(path: string): number {
  // ASCII paths of up to 100 characters are by far the most; they need no split.
  if (path.length <= NAME_LENGTH / 3) return BLOCK;
  return splitPath(Buffer.from(path)) ? BLOCK : 3 * BLOCK;
}

/** The header of one file: one block, or three where the path needs a GNU long-name record. */
function encodeHeader(path: string, size: number, block: Buffer): Uint8Array {
  return encodePlainHeader(path, size, block) ? block : encodeAnyHeader(path, size);
}

/**
 * Puts down the header of a file with a short ASCII path, which nearly every path is; false for any other. Text is put down
 * and added up in one go: there is a header for every file, and this is half of what a small one costs here.
 */
function encodePlainHeader(path: string, size: number, block: Buffer): boolean {
  if (path.length > NAME_LENGTH) return false;
  block.set(TEMPLATE);
  let sum = TEMPLATE_SUM + TYPE_FILE;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code > 0x7f) return false;
    block[i] = code;
    sum += code;
  }
  block[TYPE_AT] = TYPE_FILE;
  let left = size;
  for (let at = SIZE_AT + SIZE_DIGITS - 1; at >= SIZE_AT; at--) {
    const digit = left % 8;
    block[at] = ZERO + digit;
    sum += digit;
    left = Math.floor(left / 8);
  }
  for (let at = SUM_AT + SUM_DIGITS - 1; at >= SUM_AT; at--) {
    block[at] = ZERO + (sum & 7);
    sum >>= 3;
  }
  block[SUM_AT + SUM_DIGITS] = 0;
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
