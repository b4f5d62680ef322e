/** Files: disposable directories, atomic replacement, random access. */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { DeployError, messageOf } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";

/** A directory of mode 0700 that is gone when it goes out of scope. */
export function tempDir(prefix: string, parent: string = tmpdir()): Disposable & { readonly path: string } {
  let dir: string;
  try {
    dir = mkdtempSync(path.join(parent, `${prefix}-${machine()}-${process.pid}-`));
  } catch (error) {
    throw ioError(`cannot make a directory in ${parent}`, error);
  }
  keepTrack(dir);
  return {
    path: dir,
    [Symbol.dispose]() {
      rmSync(dir, { recursive: true, force: true });
      loseTrack(dir);
    },
  };
}

/** Process ids mean something in one process namespace of one machine; a temporary directory may be shared by several. */
function machine(): string {
  let namespace = "";
  try {
    namespace = readlinkSync("/proc/self/ns/pid");
  } catch {
    // Not a Linux.
  }
  return createHash("sha256").update(`${hostname()}\0${namespace}`).digest("hex").slice(0, 8);
}

/** The id of the process that made a temporary directory of this name here; undefined for a name that is not ours. */
export function ownerOf(name: string): number | undefined {
  const [, where, pid] = /^unikernel-deploy-[a-z]+-([0-9a-f]{8})-([0-9]+)-[A-Za-z0-9]{6}$/.exec(name) ?? [];
  return where === machine() ? Number(pid) : undefined;
}

/** Removes a file or a directory with all it holds; what cannot be removed stays. */
export function removeTree(file: string): void {
  try {
    rmSync(file, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // Somebody else's, or written to at this moment.
  }
}

const temporaries = new Set<string>();

/** Has `removeTemporaries` remove this file or directory. */
export function keepTrack(temporary: string): void {
  temporaries.add(temporary);
}

/** `temporary` is gone, or has become what it was made for. */
export function loseTrack(temporary: string): void {
  temporaries.delete(temporary);
}

/** Removes every temporary file and directory that is still there; for the doors, when a signal ends the process. */
export function removeTemporaries(): void {
  for (const temporary of temporaries) removeTree(temporary);
}

/**
 * Makes a directory and those above it that are missing. Node's own recursive form never ends where the kernel lets no
 * directory be made in one that is there, as in /proc; this throws what the kernel says.
 */
export function makeDirectories(directory: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let at = path.resolve(directory); !existsSync(at); at = path.dirname(at)) missing.unshift(at);
  for (const at of missing) {
    try {
      mkdirSync(at, { mode });
    } catch (error) {
      // Another process may have been quicker.
      if (!isSystemError(error, "EEXIST")) throw error;
    }
  }
}

/** Replaces `file` by `content` at once: written beside it, flushed, renamed, and the directory flushed. */
export function writeAtomic(file: string, content: Uint8Array | string, mode = 0o644): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { mode, flush: true });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw ioError(`cannot write ${file}`, error);
  }
  syncDirectory(path.dirname(file));
}

/** Makes renames in `dir` survive a power cut. */
export function syncDirectory(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A file opened for random access; reads see one buffer that the next read reuses. */
export interface OpenFile extends ByteSource, Disposable {}

/** Opens a regular file; throws IO_FAILED when there is none. */
export function openFile(file: string): OpenFile {
  let fd: number;
  try {
    // Without O_NONBLOCK a fifo would be waited for until somebody writes to it.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw ioError(`cannot open ${file}`, error);
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new DeployError("IO_FAILED", `${file} is not a regular file`);
  }
  return { ...fileSource(fd, stat.size), [Symbol.dispose]: () => closeSync(fd) };
}

/** Read ahead this much: lists of small members then cost one system call for many. */
const WINDOW = 16 * 1024;

/** Random access to an open file descriptor, through a small window. */
export function fileSource(fd: number, size: number): ByteSource {
  let window = Buffer.allocUnsafe(WINDOW);
  let start = 0;
  let end = 0;
  return {
    size,
    read(offset, length) {
      if (offset >= start && offset + length <= end) return window.subarray(offset - start, offset - start + length);
      if (length > window.length) window = Buffer.allocUnsafe(length);
      start = offset;
      end = offset + readFully(fd, window, Math.min(window.length, Math.max(0, size - offset)), offset);
      return window.subarray(0, Math.min(length, end - start));
    },
  };
}

/** Reads up to `length` bytes into `buffer`; fewer only at the end of the file. */
export function readFully(fd: number, buffer: Uint8Array, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const n = readSync(fd, buffer, done, length - done, position + done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

/** Whether `error` is a system error with one of these codes (ENOENT, EACCES, …). */
export function isSystemError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space and run again",
  EDQUOT: "the disk quota is used up: free some space and run again",
  ENOTDIR: "a part of that path is a file, not a directory",
  EISDIR: "it is a directory, where a file is needed",
  ENAMETOOLONG: "a name has at most 255 bytes, and a path 4096",
  EACCES: "permission denied: check the owner and mode of the path",
  EROFS: "the file system is read-only",
  EMFILE: "too many open files: raise the limit (ulimit -n)",
};

/** What only a program that is wrong is told. */
const OURS = new Set(["EBADF", "EFAULT", "EINVAL"]);

/** What a thrown value tells a user: what the system refused, and nobody had a word for, as IO_FAILED; undefined for a fault of ours. */
export function toldError(error: unknown): DeployError | undefined {
  if (error instanceof DeployError) return error;
  if (!(error instanceof Error && "syscall" in error && "code" in error)) return undefined;
  return OURS.has(String(error.code)) ? undefined : ioError("cannot go on", error);
}

/** A system error as IO_FAILED, with the remedy where the code tells one. */
export function ioError(what: string, error: unknown): DeployError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return new DeployError("IO_FAILED", `${what}: ${messageOf(error)}`, { hint: REMEDIES[code], cause: error });
}
