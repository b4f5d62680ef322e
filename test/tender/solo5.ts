/** What stands in for Solo5's tenders in these tests, and a kernel for it. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VIRTIO } from "../boot/booting.ts";

/** The example kernel with the target's number in its ABI note changed from virtio to spt. */
export function spt(): Buffer {
  const bytes = Buffer.from(VIRTIO);
  const at = bytes.indexOf("ABI1Solo5\0\0\0") + 12;
  assert.equal(bytes.readUInt32LE(at), 3, "virtio");
  bytes.writeUInt32LE(2, at);
  return bytes;
}

/** Makes a directory below `parent` with solo5-hvt and solo5-spt in it, for PATH. */
export function standIns(parent: string): string {
  const directory = join(parent, "stand-ins");
  mkdirSync(directory);
  for (const kind of ["hvt", "spt"]) {
    const file = join(directory, `solo5-${kind}`);
    const standIn = join(import.meta.dirname, "solo5-stand-in.mjs");
    writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${standIn}' ${kind} "$@"\n`);
    chmodSync(file, 0o755);
  }
  return directory;
}
