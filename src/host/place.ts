/** Where a guest gets its own files: a directory of the state, or, for a dry run, only the names that they would have. */
import { chmodSync, constants, copyFileSync, symlinkSync } from "node:fs";
import path from "node:path";
import { ioError } from "../util/files.ts";
import type { HostContext } from "./context.ts";
import { readOnlyDevice } from "./loop-devices.ts";

export interface Place {
  readonly release: string;
  /** A file of the guest's own with the content of `from`; its path. Throws IO_FAILED. */
  copy(from: string, name: string, mode: number): string;
  link(to: string, name: string): void;
  /** A device that reads as `file` and cannot be written to; undefined where none can be made. */
  device(file: string): Promise<string | undefined>;
  /** The path of a file that is yet to be written. */
  at(name: string): string;
}

export function makePlace(context: HostContext, directory: string, release: string): Place {
  const at = (name: string) => path.join(directory, name);
  return {
    release,
    at,
    copy(from, name, mode) {
      const to = at(name);
      try {
        // A clone where the file system can: it costs no time and no space.
        copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
        chmodSync(to, mode);
      } catch (error) {
        throw ioError(`cannot copy ${from}`, error);
      }
      return to;
    },
    link: (to, name) => symlinkSync(to, at(name)),
    device: (file) => readOnlyDevice(context, file),
  };
}

/** Makes nothing. */
export function plannedPlace(directory: string, release: string): Place {
  const at = (name: string) => path.join(directory, name);
  return { release, at, copy: (_from, name) => at(name), link() {}, device: async () => undefined };
}
