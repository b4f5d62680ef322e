/** Trees on disk, images of them, and what other programs make of those. */
import { existsSync } from "node:fs";
import path from "node:path";
import { makeImage } from "../../src/artifact/make-image.ts";
import { readEntry } from "../../src/artifact/read-entry.ts";
import { DeployError } from "../../src/errors.ts";
import type { LayoutOptions } from "../../src/image/format.ts";
import { formatNamed } from "../../src/image/formats.ts";
import { bytesSource } from "../../src/util/bytes.ts";
import { gitEnvironment, run } from "../support/process.ts";

/** Why tests with this program are skipped; false if they are not. */
export function lacks(program: string, debian: string): string | false {
  const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  if (directories.some((directory) => existsSync(path.join(directory, program)))) return false;
  return `${program} is not installed (Debian: apt-get install ${debian})`;
}

/** An image of a directory, as `image create` makes it. */
export async function imageOf(directory: string, format: string, out: string, layout: LayoutOptions = {}) {
  const { size, sha256, index } = await makeImage({ format: formatNamed(format), from: directory, out, layout });
  return { size, sha256, index: index.entries };
}

/** An environment in which tools read names as UTF-8 and mtools asks nothing. */
export const UTF8 = gitEnvironment({
  LC_ALL: "C.UTF-8",
  MTOOLSRC: "/dev/null",
  PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
});

/** Runs a program that has to succeed. */
export async function succeed(program: string, args: readonly string[], timeoutMs = 300_000): Promise<string> {
  const ran = await run(program, args, { env: UTF8, timeoutMs });
  if (ran.code !== 0) throw new Error(`${program} ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
  return ran.stdout;
}

/** Throws with what differs between two directories. */
export async function sameTree(a: string, b: string): Promise<void> {
  const ran = await run("diff", ["-r", a, b], { env: UTF8, timeoutMs: 300_000 });
  if (ran.code !== 0) throw new Error(`${a} and ${b} differ:\n${(ran.stdout + ran.stderr).slice(0, 4000)}`);
}

/** Bytes that look like nothing and are the same each time. */
export function noise(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed * 2654435761;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Lists and reads a damaged image: it either can be read, or a DeployError says why not. Anything else is thrown. */
export async function onlyDeployErrors(format: string, image: Uint8Array): Promise<"read" | "refused"> {
  try {
    const source = bytesSource(image);
    for (const entry of formatNamed(format).list(source)) {
      let size = 0;
      for await (const chunk of readEntry(source, entry)) size += chunk.length;
      if (size !== entry.size) throw new Error(`${entry.path}: ${size} bytes read, ${entry.size} listed`);
    }
    return "read";
  } catch (error) {
    if (error instanceof DeployError && error.code === "IMAGE_INVALID") return "refused";
    throw error;
  }
}
