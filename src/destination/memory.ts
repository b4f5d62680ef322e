/**
 * What the last deploy saw of a repository, for the next one: commits, trees, manifests and indexes, as git stores them.
 * Every object goes by its digest, so whatever stands in the file can only be what the repository means or nothing at
 * all: a memory that is damaged, old or foreign costs a fetch. Nothing here throws, and nothing secret is in it.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writevSync,
} from "node:fs";
import path from "node:path";
import { sha256 } from "../util/digest.ts";
import { makeDirectories, removeTree } from "../util/files.ts";
import { type GitObject, objectId, type ObjectType } from "./wire/object.ts";

export interface MemoryPlace {
  /** The repository's address, without credentials. */
  readonly url: string;
  readonly branch: string;
  /** Directory of the release in the repository, or "". */
  readonly path: string;
}

export interface Memory {
  /** Objects by id. */
  load(): Map<string, GitObject>;
  save(objects: Iterable<GitObject>): void;
}

const HEADER = "unikernel-deploy memory 1\n";
const ENDING = ".objects";
/** The trees of a site of a million files. */
const MAX_BYTES = 96 * 1024 * 1024;
/** Places remembered in one directory; the oldest is forgotten first. */
const MAX_FILES = 32;

/** Where memories are kept on this machine; undefined where nobody says so and there is no home, which is not ours to make. */
export function memoryDirectory(env: NodeJS.ProcessEnv): string | undefined {
  if (env["UNIKERNEL_DEPLOY_CACHE"]) return env["UNIKERNEL_DEPLOY_CACHE"];
  if (env["XDG_CACHE_HOME"]) return path.join(env["XDG_CACHE_HOME"], "unikernel-deploy");
  const home = env["HOME"];
  return home && existsSync(home) ? path.join(home, ".cache", "unikernel-deploy") : undefined;
}

/** In a file of its own below `directory`; without one nothing is remembered. */
export function openMemory(directory: string | undefined, place: MemoryPlace): Memory {
  if (directory === undefined) return { load: () => new Map(), save() {} };
  const name = sha256([place.url, place.branch, place.path].join("\0")).slice(0, 32);
  const file = path.join(directory, `${name}${ENDING}`);
  return {
    load() {
      try {
        if (statSync(file).size > MAX_BYTES) return new Map();
        return decode(readFileSync(file));
      } catch {
        return new Map();
      }
    },
    save(objects) {
      const temporary = `${file}.${process.pid}.tmp`;
      try {
        const chunks = encode(objects);
        if (!chunks) return;
        makeDirectories(directory, 0o700);
        writeChunks(temporary, chunks);
        renameSync(temporary, file);
        forgetOldest(directory);
      } catch {
        removeTree(temporary);
      }
    },
  };
}

/** To a file of the user alone, without a copy of what is a megabyte or more. Throws where the disk takes less. */
function writeChunks(file: string, chunks: readonly Buffer[]): void {
  const size = chunks.reduce((sum, { length }) => sum + length, 0);
  const fd = openSync(file, "w", 0o600);
  try {
    if (writevSync(fd, chunks) !== size) throw new Error(`${file} was not written whole`);
  } finally {
    closeSync(fd);
  }
}

/** Type and size in a line, then the bytes; undefined where that is too much. */
function encode(objects: Iterable<GitObject>): Buffer[] | undefined {
  const chunks: Buffer[] = [Buffer.from(HEADER)];
  let size = 0;
  for (const { type, bytes } of objects) {
    chunks.push(Buffer.from(`${type} ${bytes.length}\n`), bytes);
    size += bytes.length + 32;
  }
  return size > MAX_BYTES ? undefined : chunks;
}

function decode(bytes: Buffer): Map<string, GitObject> {
  const objects = new Map<string, GitObject>();
  if (!bytes.subarray(0, HEADER.length).equals(Buffer.from(HEADER))) return objects;
  for (let at = HEADER.length; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    const match = /^(commit|tree|blob|tag) (\d{1,9})$/.exec(
      end < 0 ? "" : bytes.toString("latin1", at, Math.min(end, at + 32)),
    );
    if (!match) return objects;
    const next = end + 1 + Number(match[2]);
    if (next > bytes.length) return objects;
    const object = { type: match[1] as ObjectType, bytes: bytes.subarray(end + 1, next) };
    objects.set(objectId(object), object);
    at = next;
  }
  return objects;
}

function forgetOldest(directory: string): void {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith(ENDING))
    .map((name) => path.join(directory, name));
  if (files.length <= MAX_FILES) return;
  const aged = files.map((file) => ({ file, time: statSync(file).mtimeMs })).sort((a, b) => b.time - a.time);
  for (const { file } of aged.slice(MAX_FILES)) rmSync(file, { force: true });
}
