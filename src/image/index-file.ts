/**
 * The index beside an image: one line a file in image order, `<git blob id> <size> <path>`. Offsets follow from the
 * sizes, so they are not written. It tells what changed between two images without either of them. Pure.
 */
import { DeployError } from "../errors.ts";
import { countLines, sameLines } from "../util/same-lines.ts";
import type { FileEntry } from "./tree.ts";
import { pathProblem } from "./tree.ts";

/** One file with its git blob id: 40 hex digits of sha1 over `blob <size>\0` and the content. */
export interface IndexEntry extends FileEntry {
  readonly id: string;
}

/** The line of one file. */
export const indexLine = ({ id, size, path }: IndexEntry) => `${id} ${size} ${path}\n`;

export function encodeIndex(entries: readonly IndexEntry[]): string {
  let text = "";
  for (const entry of entries) text += indexLine(entry);
  return text;
}

/** An index as it is written, and what it says. */
export interface IndexFile {
  readonly bytes: Buffer;
  readonly entries: readonly IndexEntry[];
}

/** An index that was made here, in one form or the other: what is not there is made when somebody asks for it. */
class MadeIndex implements IndexFile {
  #write: (() => Buffer) | undefined;
  #bytes: Buffer | undefined;
  #entries: readonly IndexEntry[] | undefined;

  constructor(write: () => Buffer, entries?: readonly IndexEntry[]) {
    this.#write = write;
    this.#entries = entries;
  }

  get bytes(): Buffer {
    if (this.#write) {
      this.#bytes = this.#write();
      this.#write = undefined;
    }
    return this.#bytes as Buffer;
  }

  get entries(): readonly IndexEntry[] {
    return (this.#entries ??= parseIndex(this.bytes.toString()));
  }
}

/** An index of these entries. */
export const indexOf = (entries: readonly IndexEntry[]): IndexFile =>
  new MadeIndex(() => Buffer.from(encodeIndex(entries)), entries);

/** An index whose bytes `write` gives. */
export const indexWritten = (write: () => Buffer): IndexFile => new MadeIndex(write);

/**
 * Reads an index back; throws MANIFEST_INVALID with the line that is wrong, of which the first has the number
 * `firstLine`. What it takes encodes to the same text.
 */
export function parseIndex(text: string, firstLine = 1): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (let at = 0; at < text.length; ) {
    const line = firstLine + entries.length;
    const end = text.indexOf("\n", at);
    if (end < 0) throw invalid(line, "the last line does not end");
    entries.push(parseLine(text, at, end, line));
    at = end + 1;
  }
  return entries;
}

/** As `parseIndex`, where another index is known that resembles it: the lines that it shares with that one are not read. */
export function parseIndexLike(bytes: Buffer, known: IndexFile): IndexEntry[] {
  const { front, back } = sameLines(known.bytes, bytes);
  const first = countLines(bytes.subarray(0, front));
  const last = countLines(bytes.subarray(bytes.length - back));
  return [
    ...known.entries.slice(0, first),
    ...parseIndex(bytes.toString("utf8", front, bytes.length - back), first + 1),
    ...known.entries.slice(known.entries.length - last),
  ];
}

/** Bytes of an id in hex. */
const ID_LENGTH = 40;
/** As many digits as an exact number has. */
const MAX_DIGITS = 16;

/** Without a regular expression: a host, a check and a deploy each read the line of every file. */
function parseLine(text: string, start: number, end: number, line: number): IndexEntry {
  const sizeAt = start + ID_LENGTH + 1;
  const pathAt = text.indexOf(" ", sizeAt) + 1;
  const size = decimal(text, sizeAt, pathAt - 1);
  if (size === undefined || pathAt >= end || !isId(text, start) || text[sizeAt - 1] !== " ") {
    const found = JSON.stringify(text.slice(start, Math.min(end, start + 80)));
    throw invalid(line, `expected "<blob id> <size> <path>", found ${found}`);
  }
  const path = text.slice(pathAt, end);
  const problem = pathProblem(path);
  if (problem) throw invalid(line, problem);
  if (!Number.isSafeInteger(size)) throw invalid(line, `${path}: ${text.slice(sizeAt, pathAt - 1)} bytes`);
  return { id: text.slice(start, start + ID_LENGTH), size, path };
}

function isId(text: string, start: number): boolean {
  for (let i = start; i < start + ID_LENGTH; i++) {
    const code = text.charCodeAt(i);
    if (!(code >= 0x30 && code <= 0x39) && !(code >= 0x61 && code <= 0x66)) return false;
  }
  return true;
}

/** The number in digits there, which it is written in; undefined for anything else. */
function decimal(text: string, start: number, end: number): number | undefined {
  if (end <= start || end - start > MAX_DIGITS || (text[start] === "0" && end - start > 1)) return undefined;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return undefined;
    value = 10 * value + digit;
  }
  return value;
}

function invalid(line: number, what: string): DeployError {
  return new DeployError("MANIFEST_INVALID", `index line ${line}: ${what}`);
}
