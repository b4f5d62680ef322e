/**
 * Tar volumes read back: every member of a V7, ustar, GNU or pax archive with bounded memory, sharing nothing with the
 * writer. `walkTar` says what is there; `listTar` says which files a guest would find. Pure; the bytes are hostile.
 */
import { DeployError } from "../errors.ts";
import type { ByteSource } from "../util/bytes.ts";
import type { ImageEntry } from "./format.ts";
import { pathProblem } from "./tree.ts";

const BLOCK = 512;
/** Names and pax records beyond this are refused: no path of a site comes near, and a hostile size would fill memory. */
const MAX_EXTENSION = 64 * 1024;

/** One member as it stands in the archive. */
export interface TarMember {
  /** Offset of the member's own header. */
  readonly header: number;
  readonly path: string;
  /** The type flag; "0" for a V7 header's NUL. */
  readonly type: string;
  readonly size: number;
  /** Offset of the content. */
  readonly offset: number;
  /** Bytes of the largest extension record in front of it; a MirageOS reader aborts above 512. */
  readonly extension: number;
  /** Whether a pax record names the path; readers before 2.5 ignore it. */
  readonly paxPath: boolean;
}

export function detectTar(source: ByteSource): boolean {
  const block = source.read(0, BLOCK);
  if (block.length < BLOCK) return false;
  return latin1(block, 257, 5) === "ustar" || (isZero(block) && source.size >= 2 * BLOCK);
}

/**
 * The regular files, in image order. Directories are skipped; links and other members throw IMAGE_INVALID, and so do two
 * files of one name, of which readers serve one or the other, and a file below a file, on which a guest aborts.
 */
export function* listTar(source: ByteSource): Generator<ImageEntry> {
  const files = new Set<string>();
  const directories = new Set<string>();
  for (const member of walkTar(source)) {
    if (member.type === "5") continue;
    if (member.type !== "0" && member.type !== "7") {
      throw invalid(member.header, `${member.path}: member type "${member.type}" is not a file`);
    }
    const path = member.path.replace(/^(\.?\/)/, "");
    const problem = pathProblem(path);
    if (problem) throw invalid(member.header, problem);
    if (files.has(path)) throw invalid(member.header, `${path}: stands twice`);
    files.add(path);
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      const directory = path.slice(0, slash);
      if (files.has(directory)) throw invalid(member.header, `${directory}: both a file and the directory of ${path}`);
      if (directories.has(directory)) break;
      directories.add(directory);
    }
    if (directories.has(path)) throw invalid(member.header, `${path}: both a file and a directory`);
    yield { path, size: member.size, offset: member.offset };
  }
}

/** Every member in order; throws IMAGE_INVALID where the archive is damaged or ends too early. */
export function* walkTar(source: ByteSource): Generator<TarMember> {
  let offset = 0;
  let extensions: Extensions = NO_EXTENSIONS;
  for (;;) {
    const block = source.read(offset, BLOCK);
    if (block.length < BLOCK) throw invalid(offset, "the archive ends without two blocks of zeros");
    if (isZero(block)) {
      const second = source.read(offset + BLOCK, BLOCK);
      if (second.length < BLOCK) throw invalid(offset + BLOCK, "the archive ends after one block of zeros, not two");
      if (isZero(second)) return;
      throw invalid(offset, "a block of zeros in the middle of the archive");
    }
    const fields = readHeader(block, offset);
    const size = extensions.size ?? fields.size;
    const body = offset + BLOCK;
    if (body + size > source.size) {
      throw invalid(
        offset,
        `${JSON.stringify(fields.name.toString("utf8"))}: ${size} bytes announced, ${source.size - body} left in the image`,
      );
    }
    if (EXTENSION_TYPES.has(fields.type)) {
      extensions = addExtension(
        extensions,
        fields.type,
        size,
        source.read(body, Math.min(size, MAX_EXTENSION)),
        offset,
      );
    } else {
      // The name in the header is not looked at where a record gives the path: it is cut, and may be so inside a character.
      const path = extensions.path ?? text(fields.name, offset);
      yield {
        header: offset,
        path,
        type: fields.type,
        size,
        offset: body,
        extension: extensions.length,
        paxPath: extensions.pax,
      };
      extensions = NO_EXTENSIONS;
    }
    offset = body + Math.ceil(size / BLOCK) * BLOCK;
  }
}

interface Extensions {
  readonly path?: string;
  readonly size?: number;
  readonly length: number;
  readonly pax: boolean;
}

const NO_EXTENSIONS: Extensions = { length: 0, pax: false };
const EXTENSION_TYPES = new Set(["L", "K", "x", "g"]);

function addExtension(so: Extensions, type: string, size: number, body: Uint8Array, at: number): Extensions {
  if (size > MAX_EXTENSION) throw invalid(at, `an extension record of ${size} bytes`);
  const length = Math.max(so.length, size);
  if (type === "L") return { ...so, length, path: text(cString(body), at) };
  if (type !== "x") return { ...so, length };
  const records = paxRecords(body, at);
  const path = records.get("path");
  const paxSize = records.get("size");
  if (paxSize !== undefined && !/^[0-9]{1,15}$/.test(paxSize)) throw invalid(at, `pax size ${JSON.stringify(paxSize)}`);
  return {
    ...so,
    length,
    ...(path === undefined ? {} : { path, pax: true }),
    ...(paxSize === undefined ? {} : { size: Number(paxSize) }),
  };
}

/** Records of the form "LENGTH KEY=VALUE\n" (POSIX.1-2001 pax, extended header). */
function paxRecords(body: Uint8Array, at: number): Map<string, string> {
  const records = new Map<string, string>();
  for (let start = 0; start < body.length; ) {
    const space = body.indexOf(0x20, start);
    const digits = space < 0 ? "" : latin1(body, start, space - start);
    const end = start + Number(digits);
    if (!/^[1-9][0-9]{0,5}$/.test(digits) || end > body.length || end <= space || body[end - 1] !== 0x0a) {
      throw invalid(at, "a damaged pax record");
    }
    const record = text(body.subarray(space + 1, end - 1), at);
    const equals = record.indexOf("=");
    if (equals <= 0) throw invalid(at, "a pax record without a key");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    start = end;
  }
  return records;
}

function readHeader(block: Uint8Array, at: number): { name: Buffer; type: string; size: number } {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] as number;
  const expected = octal(block, 148, 8, at, "checksum");
  if (sum !== expected) throw invalid(at, `header checksum ${expected.toString(8)}, computed ${sum.toString(8)}`);
  const name = cString(block.subarray(0, 100));
  const prefix = latin1(block, 257, 5) === "ustar" ? cString(block.subarray(345, 500)) : new Uint8Array();
  const flag = latin1(block, 156, 1);
  return {
    name: prefix.length === 0 ? Buffer.from(name) : Buffer.concat([prefix, SLASH, name]),
    type: flag === "\0" ? "0" : flag,
    size: octal(block, 124, 12, at, "size"),
  };
}

const SLASH = Buffer.from("/");

function octal(block: Uint8Array, offset: number, length: number, at: number, what: string): number {
  const field = latin1(block, offset, length)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (!/^[0-7]*$/.test(field)) throw invalid(at, `${what} ${JSON.stringify(field)} is not octal`);
  return field === "" ? 0 : Number.parseInt(field, 8);
}

function invalid(offset: number, what: string): DeployError {
  return new DeployError("IMAGE_INVALID", `not a tar image that can be read: ${what} (at byte ${offset})`, {
    hint: "build the image again; if it was copied, compare its sha256 with the manifest's",
  });
}

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function text(bytes: Uint8Array, at: number): string {
  try {
    return DECODER.decode(bytes);
  } catch {
    throw invalid(at, `a name that is not UTF-8 (${Buffer.from(bytes).toString("latin1")})`);
  }
}

function cString(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function latin1(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString("latin1");
}

function isZero(block: Uint8Array): boolean {
  for (const byte of block) if (byte !== 0) return false;
  return true;
}
