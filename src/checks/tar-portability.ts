/**
 * check: tar-portability. Nothing in a tar volume that a MirageOS reader (tar-mirage 2.4 to 3.3) would stop on at boot,
 * or lose without a word. Our own writer makes none of it; an image from elsewhere may. Pure.
 */
import { DeployError } from "../errors.ts";
import { type TarMember, walkTar } from "../image/tar-read.ts";
import { type ByteSource, roundUp } from "../util/bytes.ts";
import { count } from "../util/size.ts";
import type { Check, Remark } from "./check.ts";
import { imagePath } from "./contents.ts";

const BLOCK = 512;
const HINT = "let unikernel-deploy make the image from the directory: it writes what every reader takes";

export const tarPortability: Check = {
  id: "tar-portability",
  title: "every MirageOS reader finds each file of a tar volume",
  severity: "error",
  *run(subject) {
    for (const volume of subject.release.volumes) {
      if (volume.format.name !== "tar" || (subject.errorsOnly && volume.offsets)) continue;
      using image = subject.open(volume.file);
      const faults = collectFaults(image);
      for (const { path, message } of faults) {
        yield {
          path: path === "" ? imagePath(volume) : path,
          message: `${message} (volume ${volume.name})`,
          hint: HINT,
        };
      }
    }
  },
};

interface Fault extends Pick<Remark, "message"> {
  /** Empty for one of the archive as a whole. */
  readonly path: string;
}

function* collectFaults(image: ByteSource): Iterable<Fault> {
  const names = new Names();
  let end = 0;
  try {
    for (const member of walkTar(image)) {
      const path = member.path.slice(0, 200);
      const say = (message: string): Fault => ({ path, message: `${path}: ${message}` });
      for (const header of headersOf(image, end, member.header)) {
        for (const message of [...headerFaults(header.block), ...extensionFaults(image, header)]) yield say(message);
      }
      for (const message of [...memberFaults(member), ...names.add(member)]) yield say(message);
      end = roundUp(member.offset + member.size, BLOCK);
    }
  } catch (error) {
    if (!(error instanceof DeployError) || error.code !== "IMAGE_INVALID") throw error;
    yield { path: "", message: error.message };
  }
}

interface Header {
  readonly at: number;
  /** A copy: the next read would overwrite what was read. */
  readonly block: Buffer;
}

/** The headers of a member's extension records, then its own. */
function* headersOf(image: ByteSource, from: number, to: number): Iterable<Header> {
  for (let at = from; at <= to; ) {
    const block = Buffer.from(image.read(at, BLOCK));
    yield { at, block };
    if (at === to) return;
    const size = Number.parseInt(field(block, 124, 12), 8);
    at += BLOCK + roundUp(Number.isNaN(size) ? 0 : size, BLOCK);
  }
}

/** Numeric fields: what they are called, where, and how long. */
const NUMBERS: readonly (readonly [string, number, number])[] = [
  ["mode", 100, 8],
  ["uid", 108, 8],
  ["gid", 116, 8],
  ["size", 124, 12],
  ["mtime", 136, 12],
];

function* headerFaults(block: Buffer): Iterable<string> {
  for (const [name, at, length] of NUMBERS) {
    if (((block[at] as number) & 0x80) !== 0) yield `its ${name} is in base 256, which ends the guest's boot`;
    else if (!/^[0-7]*$/.test(field(block, at, length))) yield `its ${name} is not octal, which ends the guest's boot`;
  }
  // GNU's old format keeps times where ustar has the beginning of the path.
  const isOldGnu = block.toString("latin1", 257, 263) === "ustar ";
  if (isOldGnu && block[345] !== 0) yield "an old GNU header with times, which readers take for a directory name";
}

const field = (block: Buffer, at: number, length: number) =>
  block
    .toString("latin1", at, at + length)
    .replace(/[\0 ]+$/, "")
    .trimStart();

function* extensionFaults(image: ByteSource, { at, block }: Header): Iterable<string> {
  if (block.toString("latin1", 156, 157) !== "L") return;
  const name = block.toString("latin1", 0, 100).replace(/\0.*$/s, "");
  if (name !== "././@LongLink")
    yield `its long name is in a record called ${JSON.stringify(name)}; readers look for ././@LongLink`;
  const size = Number.parseInt(field(block, 124, 12), 8);
  const last = image.read(at + BLOCK + size - 1, 1)[0];
  if (size > 0 && last !== 0) yield "its long name does not end in NUL: readers lose the last character";
}

const OTHER_TYPES: Readonly<Record<string, string>> = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a device",
  "4": "a device",
  "6": "a pipe",
};

function* memberFaults({ path, type, extension, paxPath }: TarMember): Iterable<string> {
  if (extension > BLOCK)
    yield `an extension record of ${count(extension, "byte")}; readers end the guest's boot above ${BLOCK}`;
  if (paxPath) yield "its path is in a pax record, which readers before 2.5 ignore";
  const other = OTHER_TYPES[type];
  if (other !== undefined) yield `${other}, of which readers make an empty file`;
  else if (type === "S") yield "a sparse file, which readers take for its map of holes";
  else if (type === "5" && !path.endsWith("/"))
    yield 'a directory without a final "/", which readers take for an empty file';
  else if (!/^[057]$/.test(type)) yield `of type ${JSON.stringify(type)}, which readers take for a file`;
  if (/^\/{2,}$/.test(path)) yield "a path of slashes only, which ends the guest's boot";
  else if (hasDots(path)) yield 'a "." or ".." in its path, which readers keep as a name: nothing finds the file';
}

/** One leading "./" or "/" is taken off, and "./" alone is left out; any other dot stays. */
function hasDots(path: string): boolean {
  if (path === "./") return false;
  const segments = path.replace(/^\.?\//, "").split("/");
  return segments.includes(".") || segments.includes("..");
}

/** What the reader's tree has so far, by path without slashes around it. */
class Names {
  readonly #files = new Set<string>();
  /** Directories, and whether something is in them. */
  readonly #directories = new Set<string>();
  readonly #listed = new Set<string>();

  /** Adds a member; says what of it or of earlier members is lost by that. */
  *add({ path }: TarMember): Iterable<string> {
    const name = path
      .replace(/^\.?\//, "")
      .replace(/\/+$/, "")
      .replaceAll(/\/{2,}/g, "/");
    if (name === "") return;
    // A reader tells a directory by its final slash alone.
    if (path.endsWith("/")) {
      if (this.#directories.has(name)) yield "a directory entry after what is in it: readers empty the directory";
      else if (this.#listed.has(name)) yield "a directory listed twice: readers empty it the second time";
      else if (this.#files.has(name)) yield "a directory with the name of a file: the file is lost";
      this.#listed.add(name);
    } else {
      if (this.#files.has(name)) yield "listed twice: the last one wins";
      if (this.#directories.has(name) || this.#listed.has(name))
        yield "a file with the name of a directory: what is in it is lost";
      this.#files.add(name);
    }
    for (let slash = name.lastIndexOf("/"); slash > 0; slash = name.lastIndexOf("/", slash - 1)) {
      const parent = name.slice(0, slash);
      if (this.#files.has(parent)) yield `it is below ${parent}, which is a file: that ends the guest's boot`;
      if (this.#directories.has(parent)) break;
      this.#directories.add(parent);
    }
  }
}
