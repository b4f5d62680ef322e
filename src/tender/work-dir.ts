/**
 * The private directory of a boot: links to or copies of what the guest is given, under names that no tender can misread.
 * Its own name tells whose it is, so that a later run can remove what a process left that is no more.
 */
import { chmodSync, constants, copyFileSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ioError, isSystemError, tempDir } from "../util/files.ts";
import { type Watchdog, watched } from "./watchdog.ts";

const NAME = "unikernel-deploy-boot";

export interface WorkDir extends Disposable {
  readonly path: string;
  readonly mark: Watchdog["mark"];
  /** Puts a link to `file` here, for programs that open it for reading only. Returns its name. */
  link(file: string, name: string): string;
  /** Puts a copy of `file` here, for what would open it for writing; `mode` is that of the copy. Returns its name. */
  copy(file: string, name: string, mode: number): string;
}

/** Makes one, after removing those of processes that are no more. Throws IO_FAILED. */
export function openWorkDir(parent: string = tmpdir()): WorkDir {
  const prefix = `${NAME}-${pidNamespace()}-${process.pid}`;
  removeStale(parent);
  // The watchdog comes first: there is no moment in which something of ours is not watched.
  const dog = watched(path.join(parent, `${prefix}-`));
  let dir: ReturnType<typeof tempDir>;
  try {
    dir = tempDir(prefix, parent);
  } catch (error) {
    dog[Symbol.dispose]();
    throw ioError(`cannot make a directory in ${parent}`, error);
  }
  return {
    path: dir.path,
    mark: dog.mark,
    link(file, name) {
      symlinkSync(path.resolve(file), path.join(dir.path, name));
      return name;
    },
    copy(file, name, mode) {
      const to = path.join(dir.path, name);
      try {
        // A clone where the file system can: it costs no time and no space.
        copyFileSync(file, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
        chmodSync(to, mode);
      } catch (error) {
        throw ioError(`cannot copy ${file}`, error);
      }
      return name;
    },
    [Symbol.dispose]() {
      dir[Symbol.dispose]();
      dog[Symbol.dispose]();
    },
  };
}

/** Process ids mean something within a namespace only; containers may share a directory for temporary files. */
function pidNamespace(): string {
  try {
    return /\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1] ?? "0";
  } catch {
    return "0";
  }
}

function removeStale(parent: string): void {
  const ours = new RegExp(`^${NAME}-${pidNamespace()}-(\\d+)-`);
  for (const name of readdirSync(parent)) {
    const pid = Number(ours.exec(name)?.[1] ?? 0);
    if (pid === 0 || isAlive(pid)) continue;
    try {
      rmSync(path.join(parent, name), { recursive: true, force: true });
    } catch {
      // Another user's; theirs to remove.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isSystemError(error, "ESRCH");
  }
}
