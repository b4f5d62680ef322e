/** Site content in kernels: as .incbin and crunch link it, in made-up kernels, and not at all. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type EmbeddedReport, findEmbedded } from "../../src/kernel/embedded.ts";
import { type ByteSource, bytesSource } from "../../src/util/bytes.ts";
import { cloudImage, debianFile, vmlinuxOf } from "../support/debian.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

type Site = Readonly<Record<string, Buffer>>;

/** The same bytes for the same seed; no run of them is ever found elsewhere by chance. */
function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    bytes[i] = (state >>> 13) & 255;
  }
  return bytes;
}

/** Looks for a site in memory; every read lends out the same buffer, and the kernel's too, as files do. */
function search(kernel: Uint8Array, site: Site): EmbeddedReport {
  const contents = Object.values(site);
  const files = Object.entries(site).map(([path, content]) => ({ path, size: content.length }));
  const lent = new Uint8Array(1 << 20);
  const lend = (bytes: Uint8Array) => {
    lent.fill(0xee);
    lent.set(bytes);
    return lent.subarray(0, bytes.length);
  };
  const source: ByteSource = {
    size: kernel.length,
    read: (offset, length) => lend(kernel.subarray(offset, Math.min(offset + length, kernel.length))),
  };
  return findEmbedded(source, files, (file, offset, length) =>
    lend((contents[file] as Buffer).subarray(offset, offset + length)),
  );
}

const page = (seed: number, length: number) =>
  Buffer.concat([
    Buffer.from('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<link rel="x">'),
    noise(seed, length),
  ]);

/** Files on both sides of the floor and of the chunk size; two have pieces in common. */
const SITE: Site = {
  "index.html": page(1, 900),
  "about.html": page(2, 4096),
  "video.webm": noise(3, 70_001),
  "exact.bin": noise(4, 8192),
  "shared.bin": Buffer.concat([noise(4, 4096), noise(5, 100)]),
  "logo.png": noise(6, 64),
  "short.txt": noise(7, 63),
  "empty.txt": Buffer.alloc(0),
  "zeros.bin": Buffer.alloc(10_000),
};
const BELOW = ["short.txt", "empty.txt", "zeros.bin"];
const ABOVE = Object.keys(SITE).filter((name) => !BELOW.includes(name));
const sizeOf = (names: readonly string[]) => names.reduce((sum, name) => sum + (SITE[name] as Buffer).length, 0);

function assertAllEmbedded(report: EmbeddedReport, copies: number): void {
  assert.deepEqual(
    report.embedded.map(({ path }) => path),
    ABOVE,
  );
  assert.deepEqual(report.total, { files: ABOVE.length, bytes: sizeOf(ABOVE) });
  assert.deepEqual(report.lookedFor, { files: ABOVE.length, bytes: sizeOf(ABOVE) });
  assert.deepEqual(report.notLookedFor, { files: BELOW.length, bytes: sizeOf(BELOW) });
  assert.deepEqual(report.partial, { files: 0, bytes: 0 });
  for (const file of report.embedded) assert.equal(file.copies, copies, file.path);
}

function assertNothing(report: EmbeddedReport): void {
  assert.deepEqual(report.embedded, []);
  assert.deepEqual(report.total, { files: 0, bytes: 0 });
  assert.deepEqual(report.partial, { files: 0, bytes: 0 });
  assert.equal(report.kernelBytes, 0);
}

const missing = (program: string): string | false =>
  spawnSync(program, ["--version"]).error === undefined && spawnSync(program, ["-version"]).error === undefined
    ? false
    : `${program} is not installed`;

describe("findEmbedded in executables", () => {
  it("finds what .incbin links, at any alignment", { skip: missing("gcc") }, async () => {
    await using dir = await tempDir("incbin");
    const lines = Object.entries(SITE).map(([name, content], i) => {
      writeFileSync(dir.join(name), content);
      return `.byte ${i}\n.incbin "${dir.join(name)}"`;
    });
    const kernel = link(dir, `.data\n${lines.join("\n")}\n`);
    const report = search(kernel, SITE);
    assert.deepEqual(
      report.embedded.map(({ path }) => path),
      ABOVE,
    );
    assert.deepEqual(report.total, { files: ABOVE.length, bytes: sizeOf(ABOVE) });
    assert.deepEqual(report.notLookedFor, { files: BELOW.length, bytes: sizeOf(BELOW) });
    assert.equal(report.kernelBytes, sizeOf(ABOVE));
    assert.deepEqual(
      report.embedded.filter(({ copies }) => copies !== 1),
      [],
    );
  });

  it("finds what crunch links: pieces of 4096 bytes, each once, by their MD5", {
    skip: missing("ocamlopt"),
  }, async () => {
    await using dir = await tempDir("crunch");
    writeFileSync(dir.join("static.ml"), crunched(SITE));
    execFileSync("ocamlopt", ["-o", dir.join("kernel"), "static.ml"], { cwd: dir.path });
    const report = search(readFileSync(dir.join("kernel")), SITE);
    assertAllEmbedded(report, 1);
    // The piece that two files share is there once.
    assert.equal(report.kernelBytes, sizeOf(ABOVE) - 4096);
  });

  it("finds nothing where nothing is", { skip: missing("gcc") }, async () => {
    await using dir = await tempDir("empty");
    assertNothing(search(link(dir, ""), SITE));
    assertNothing(search(readFileSync(process.execPath).subarray(0, 8 << 20), SITE));
  });
});

/** A static executable with this assembly in it. */
function link(dir: TempDir, assembly: string): Buffer {
  writeFileSync(dir.join("kernel.S"), `.globl _start\n.text\n_start: nop\n${assembly}`);
  execFileSync("gcc", ["-nostdlib", "-static", "-o", dir.join("kernel"), dir.join("kernel.S")]);
  return readFileSync(dir.join("kernel"));
}

/** OCaml source in the way of ocaml-crunch: one string for each different piece, sorted by digest. */
function crunched(site: Site): string {
  const pieces = new Map<string, Buffer>();
  for (const content of Object.values(site)) {
    for (let at = 0; at < content.length; at += 4096) {
      const piece = content.subarray(at, at + 4096);
      pieces.set(createHash("md5").update(piece).digest("hex"), piece);
    }
  }
  const sorted = [...pieces].sort(([a], [b]) => (a < b ? -1 : 1));
  const literal = (bytes: Buffer) =>
    `"${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
  const definitions = sorted.map(([digest, piece]) => `let d_${digest} = ${literal(piece)}`);
  const uses = sorted.map(([digest]) => `d_${digest}`).join("; ");
  return `${definitions.join("\n")}\nlet () = List.iter (fun s -> Printf.printf "%d\\n" (String.length s)) [${uses}]\n`;
}

describe("findEmbedded", () => {
  const filler = (length: number) => noise(999, length);

  it("counts how many times", () => {
    const site = { a: noise(1, 5000), b: noise(2, 200) };
    const kernel = Buffer.concat([site.a, filler(77), site.b, site.a, filler(5), site.a]);
    const report = search(kernel, site);
    assert.deepEqual(report.embedded, [
      { path: "a", size: 5000, copies: 3 },
      { path: "b", size: 200, copies: 1 },
    ]);
    assert.equal(report.kernelBytes, 3 * 5000 + 200);
  });

  it("does not count a file with a part missing, but says what is there", () => {
    const site = { a: noise(1, 10_000), b: noise(2, 9000) };
    const kernel = Buffer.concat([site.a.subarray(0, 8192), filler(10), site.b.subarray(8192)]);
    const report = search(kernel, site);
    assert.deepEqual(report.embedded, []);
    assert.deepEqual(report.partial, { files: 2, bytes: 8192 + 808 });
    assert.equal(report.kernelBytes, 8192 + 808);
  });

  it("is not satisfied by a single different byte", () => {
    const content = noise(1, 4096);
    for (const at of [0, 63, 64, 2000, 4095]) {
      const kernel = Buffer.from(content);
      kernel[at] = (kernel[at] as number) ^ 1;
      assertNothing(search(kernel, { a: content }));
    }
  });

  it("finds content on every side of the seams between its windows", () => {
    const content = noise(1, 4096);
    for (const start of [
      256 * 1024 - 4096,
      256 * 1024 - 4095,
      256 * 1024 - 64,
      256 * 1024 - 1,
      256 * 1024,
      256 * 1024 + 1,
    ]) {
      const kernel = Buffer.concat([filler(start), content]);
      assert.equal(search(kernel, { a: content }).total.files, 1, `at ${start}, at the end`);
      assert.equal(search(Buffer.concat([kernel, filler(9000)]), { a: content }).total.files, 1, `at ${start}`);
    }
  });

  it("tells thousands of pages with the same beginning apart", () => {
    const site = Object.fromEntries(
      Array.from({ length: 3000 }, (_, i) => [`${i}.html`, page(i + 10, 200 + (i % 700))]),
    );
    const kernel = Buffer.concat(Object.values(site).filter((_, i) => i % 2 === 0));
    const report = search(kernel, site);
    assert.equal(report.total.files, 1500);
    assert.equal(report.kernelBytes, kernel.length);
  });

  it("counts files with the same content each", () => {
    const content = noise(1, 6000);
    const report = search(Buffer.concat([content, filler(3), content]), { a: content, b: content });
    assert.deepEqual(
      report.embedded.map(({ copies }) => copies),
      [2, 2],
    );
    assert.equal(report.kernelBytes, 12_000);
  });

  it("does not count repetitive content more often than it fits", () => {
    const content = Buffer.from("0123456789abcdef".repeat(16));
    const report = search(Buffer.concat([content, content, content]), { a: content });
    assert.deepEqual(report.embedded, [{ path: "a", size: 256, copies: 3 }]);
    assert.equal(report.kernelBytes, 768);
  });

  it("keeps the floor: 64 bytes, 8 different ones in the first 256 of a chunk", () => {
    const late = Buffer.concat([Buffer.alloc(256, 1), noise(1, 1000)]);
    const few = Buffer.from("abcdefg".repeat(100));
    const enough = Buffer.from("abcdefgh".repeat(100));
    const site = { "63": noise(1, 63), "64": noise(2, 64), late, few, enough };
    const report = search(Buffer.concat([filler(50), ...Object.values(site)]), site);
    assert.deepEqual(
      report.embedded.map(({ path }) => path),
      ["64", "enough"],
    );
    assert.deepEqual(report.notLookedFor, { files: 3, bytes: 63 + late.length + few.length });
  });

  it("takes a file by its recognisable chunks, when others are below the floor", () => {
    const content = Buffer.concat([noise(1, 4096), Buffer.alloc(4096), noise(2, 10)]);
    const report = search(Buffer.concat([filler(9), content.subarray(0, 4096)]), { a: content });
    assert.deepEqual(report.embedded, [{ path: "a", size: 8202, copies: 1 }]);
  });

  it("gives up on filler that is everywhere, and says so", () => {
    const filler = Buffer.from("0123456789abcdefABCDEFGHIJKLMNOP".repeat(100_000));
    const page = noise(1, 5000);
    const site = { filler: Buffer.concat([filler.subarray(0, 100), noise(2, 100)]), page };
    const started = performance.now();
    const report = search(Buffer.concat([filler, page]), site);
    assert.deepEqual(
      report.embedded.map(({ path }) => path),
      ["page"],
    );
    assert.deepEqual(report.notLookedFor, { files: 1, bytes: 200 });
    assert.ok(performance.now() - started < 10_000);
  });

  it("has nothing to say of no kernel, no site and a site that shrank", () => {
    assertNothing(search(Buffer.alloc(0), SITE));
    assertNothing(search(noise(1, 10_000), {}));
    const report = findEmbedded(bytesSource(noise(1, 9000)), [{ path: "a", size: 9000 }], () => new Uint8Array(0));
    assert.deepEqual(report.lookedFor, { files: 0, bytes: 0 });
  });

  it("compares 50 MB with 10,000 files", (t) => {
    const kernel = noise(123, 50_000_000);
    const pool = noise(456, 1 << 20);
    const size = (i: number) => 100 + ((i * 7919) % 11_900);
    const files = Array.from({ length: 10_000 }, (_, i) => ({ path: `${i}`, size: size(i) }));
    const buffer = Buffer.alloc(1 << 16);
    const read = (file: number, offset: number, length: number) => {
      // Different files without keeping 60 MB of them: overlapping parts of one pool, the first bytes numbered.
      const start = ((file * 97) % 900_000) + offset;
      pool.copy(buffer, 0, start, start + length);
      if (offset === 0) buffer.writeUInt32LE(file, 0);
      return buffer.subarray(0, length);
    };
    for (const at of [0, 5000, 9999]) read(at, 0, size(at)).copy(kernel, (1_000_003 * (at + 1)) % 49_000_000);
    const started = performance.now();
    const report = findEmbedded(bytesSource(kernel), files, read);
    t.diagnostic(`took ${Math.round(performance.now() - started)} ms`);
    assert.deepEqual(
      report.embedded.map(({ path }) => path),
      ["0", "5000", "9999"],
    );
  });
});

describe("findEmbedded in the cloud vmlinux", () => {
  const DOCS = "/usr/share/doc/rust-doc";
  const vmlinuz = reasonToSkip() ?? debianFile(cloudImage(), "amd64", "boot/vmlinuz-*-cloud-amd64");
  const skip = "skip" in vmlinuz ? vmlinuz.skip : false;

  function reasonToSkip(): { readonly skip: string } | null {
    if (process.env["LONG_TESTS"] === undefined) return { skip: "takes 10 seconds: set LONG_TESTS=1" };
    return existsSync(DOCS) ? null : { skip: "rust-doc is not installed" };
  }

  it("finds nothing of the whole of rust-doc", { skip }, () => {
    if ("skip" in vmlinuz) return;
    const entries = readdirSync(DOCS, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const files = entries
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => ({ path, size: statSync(path).size }));
    const report = findEmbedded(bytesSource(readFileSync(vmlinuxOf(vmlinuz.path))), files, (file, offset, length) =>
      readFileSync((files[file] as { path: string }).path).subarray(offset, offset + length),
    );
    assert.ok(files.length > 1000, `${files.length} files`);
    assertNothing(report);
  });
});
