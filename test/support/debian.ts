/**
 * Real binaries out of Debian packages, as fixtures too large to keep. They are downloaded once, with apt's own checks
 * of signatures and digests but with lists and caches of their own, so that the machine is left as it is.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Pinned, so that a table of what is inside stays true; not the security archive, whose mirrors are often half synced. */
const SOURCE =
  "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main";
const CACHE = join(tmpdir(), "unikernel-deploy-debian");

/** A file that could be had, or why not. */
export type Fetched = { readonly path: string } | { readonly skip: string };

/**
 * The path of a file of a package: `pathInside` is relative to /, and a `*` in its last part stands for a version. The
 * first call for an architecture takes some seconds. Never throws: without Debian's archive the reason comes back.
 */
export function debianFile(packageName: string, arch: string, pathInside: string): Fetched {
  try {
    return { path: findInside(unpacked(packageName, arch), pathInside) };
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).trim().split("\n").at(-1);
    return { skip: `no ${pathInside} from Debian's ${packageName}:${arch}: ${reason}` };
  }
}

/** The package with the current kernel for virtual machines, whose name has its version. */
export function cloudImage(): string {
  const metapackage = "linux-image-cloud-amd64";
  try {
    const text = execFileSync("apt-cache", [...aptOptions("amd64"), "depends", metapackage], { encoding: "utf8" });
    return text.match(/Depends: (linux-image-\S+)/)?.[1] ?? metapackage;
  } catch {
    // Fetching it fails for the same reason, and then says so.
    return metapackage;
  }
}

function unpacked(packageName: string, arch: string): string {
  const dir = join(CACHE, arch, "unpacked", packageName);
  if (existsSync(dir)) return dir;
  const options = aptOptions(arch);
  const work = join(CACHE, arch, `download-${packageName}-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    execFileSync("apt-get", [...options, "-q", "download", packageName], {
      cwd: work,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [deb] = readdirSync(work).filter((name) => name.endsWith(".deb"));
    if (deb === undefined) throw new Error("nothing was downloaded");
    execFileSync("dpkg-deb", ["-x", join(work, deb), join(work, "root")]);
    mkdirSync(join(CACHE, arch, "unpacked"), { recursive: true });
    // Two test files may fetch the same package at once; whoever is second keeps the first one's copy.
    if (!existsSync(dir)) renameSync(join(work, "root"), dir);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return dir;
}

/** Options that give apt a world of its own for one architecture, made on first use. */
function aptOptions(arch: string): readonly string[] {
  const world = join(CACHE, arch, "apt");
  if (!existsSync(world)) {
    // Test files run at the same time: each makes a world, one of them becomes the world.
    const own = `${world}-${process.pid}`;
    for (const dir of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(own, dir), { recursive: true });
    writeFileSync(join(own, "sources.list"), `${SOURCE}\n`);
    writeFileSync(join(own, "status"), "");
    try {
      execFileSync("apt-get", [...optionsFor(own, arch), "-q", "update", "--error-on=any"], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      if (!existsSync(world)) renameSync(own, world);
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  }
  return optionsFor(world, arch);
}

function optionsFor(world: string, arch: string): readonly string[] {
  return [
    `APT::Architecture=${arch}`,
    `APT::Architectures=${arch}`,
    `Dir::State::Lists=${join(world, "lists")}`,
    `Dir::State::status=${join(world, "status")}`,
    `Dir::Cache=${join(world, "cache")}`,
    `Dir::Etc::SourceList=${join(world, "sources.list")}`,
    "Dir::Etc::SourceParts=/dev/null",
    "Acquire::Languages=none",
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
}

function findInside(root: string, pathInside: string): string {
  const parts = pathInside.split("/").filter((part) => part !== "");
  const dir = join(root, ...parts.slice(0, -1));
  const [before, after] = (parts.at(-1) ?? "").split("*") as [string, string?];
  const name = readdirSync(dir).find((entry) =>
    after === undefined ? entry === before : entry.startsWith(before) && entry.endsWith(after),
  );
  if (name === undefined) throw new Error(`the package has no ${pathInside}`);
  return join(dir, name);
}

/** A gzip'd file, unpacked beside it. */
export function gunzipped(path: string): string {
  return derived(path, `${path}.plain`, gunzipSync);
}

/** The vmlinux inside a bzImage that is compressed with LZ4, as Debian's are. */
export function vmlinuxOf(bzImage: string): string {
  return derived(bzImage, `${bzImage}.vmlinux`, (file) => {
    const payload = ((file[0x1f1] as number) + 1) * 512 + file.readUInt32LE(0x248);
    return unLz4(file.subarray(payload, payload + file.readUInt32LE(0x24c)));
  });
}

function derived(from: string, to: string, make: (file: Buffer) => Buffer): string {
  if (!existsSync(to)) {
    const temporary = `${to}.${process.pid}`;
    writeFileSync(temporary, make(readFileSync(from)));
    renameSync(temporary, to);
  }
  return to;
}

/** The legacy LZ4 format: a magic number, then blocks with their sizes; the kernel appends the size of the whole. */
function unLz4(file: Buffer): Buffer {
  if (file.readUInt32LE(0) !== 0x184c2102) throw new Error("the kernel is not compressed with LZ4");
  const out = Buffer.alloc(file.readUInt32LE(file.length - 4));
  let end = 0;
  for (let at = 4; at + 8 < file.length; ) {
    const size = file.readUInt32LE(at);
    end = unLz4Block(file.subarray(at + 4, at + 4 + size), out, end);
    at += 4 + size;
  }
  return out.subarray(0, end);
}

/** Sequences of literals and copies; returns the new end of `out`. */
function unLz4Block(block: Buffer, out: Buffer, start: number): number {
  let [at, end] = [0, start];
  const extended = (nibble: number) => {
    let length = nibble;
    if (nibble === 15) {
      let byte: number;
      do length += byte = block[at++] as number;
      while (byte === 255);
    }
    return length;
  };
  while (at < block.length) {
    const token = block[at++] as number;
    const literals = extended(token >> 4);
    block.copy(out, end, at, at + literals);
    at += literals;
    end += literals;
    if (at >= block.length) break;
    const distance = block.readUInt16LE(at);
    at += 2;
    const length = extended(token & 15) + 4;
    // A copy may overlap what it writes, so it goes byte by byte.
    for (let i = 0; i < length; i++, end++) out[end] = out[end - distance] as number;
  }
  return end;
}
