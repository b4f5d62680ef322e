/** Volumes inside ELF objects: linked by ld, read by C through the symbols, and replaced in the linked file. */
import assert from "node:assert/strict";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { replaceVolume } from "../../src/artifact/replace-volume.ts";
import { scanImage } from "../../src/artifact/scan-image.ts";
import { detectFormat, formatNamed } from "../../src/image/formats.ts";
import { openFile } from "../../src/util/files.ts";
import { run } from "../support/process.ts";
import { type TempDir, tempDir, writeTree } from "../support/temp.ts";
import { imageOf, lacks, noise, onlyDeployErrors, sameTree, succeed } from "./making.ts";

const SITE = { "index.html": "<!doctype html>\n", "css/style.css": "body {}\n", "data.bin": noise(20_000) };
const ARCHES = [
  { arch: "x86_64", prefix: "", machine: "Advanced Micro Devices X86-64", emulation: "elf_x86_64" },
  { arch: "aarch64", prefix: "aarch64-linux-gnu-", machine: "AArch64", emulation: "aarch64linux" },
  { arch: "arm", prefix: "arm-linux-gnueabi-", machine: "ARM", emulation: "armelf_linux_eabi" },
] as const;

/** Prints the volume, where it begins in a page, and whether writing to it is a fault. */
const PROGRAM = `
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
extern const unsigned char site_start[], site_end[], site_size[];
static void fault(int signal) { (void)signal; _exit(42); }
int main(int argc, char **argv) {
  (void)argv;
  fprintf(stderr, "%u %zu %zu\\n", (unsigned)((uintptr_t)site_start % 4096), (size_t)(site_end - site_start),
          (size_t)(uintptr_t)site_size);
  fwrite(site_start, 1, site_end - site_start, stdout);
  fflush(stdout);
  if (argc > 1) {
    signal(SIGSEGV, fault);
    *(volatile unsigned char *)site_start = 1;
  }
  return 0;
}
`;

const replace = (kernel: string, image: string, name = "site") => {
  using source = openFile(image);
  const format = detectFormat(source);
  assert.ok(format);
  return replaceVolume(kernel, { name, image: source, format });
};

/** A static executable with the volume in it. */
async function linked(directory: TempDir, size?: number): Promise<string> {
  await writeTree(directory.join("site"), SITE);
  await imageOf(directory.join("site"), "elf-object", directory.join("site.o"), size === undefined ? {} : { size });
  await writeFile(directory.join("main.c"), PROGRAM);
  const program = directory.join("program");
  await succeed("gcc", [
    "-static",
    "-no-pie",
    "-Wl,--fatal-warnings",
    "-o",
    program,
    directory.join("main.c"),
    directory.join("site.o"),
  ]);
  return program;
}

/** The tar that a program with a volume prints, unpacked. */
async function unpacked(directory: TempDir, program: string, name: string): Promise<string> {
  const target = directory.join(name);
  await succeed("sh", ["-c", `mkdir "$1" && "$0" 2> "$1.said" | tar -xf - -C "$1"`, program, target]);
  return target;
}

describe("elf-object", () => {
  for (const { arch, prefix, machine, emulation } of ARCHES) {
    test(`readelf and ld take the object for ${arch}`, {
      skip: lacks(`${prefix}ld`, `binutils${prefix === "" ? "" : `-${prefix.slice(0, -1)}`}`),
    }, async () => {
      await using directory = await tempDir("elf");
      await writeTree(directory.join("site"), SITE);
      const object = directory.join("site.o");
      await imageOf(directory.join("site"), "elf-object", object, { arch, symbol: "www" });
      const header = await succeed("readelf", ["-hW", object]);
      assert.match(header, new RegExp(`Type:\\s+REL[^]*Machine:\\s+${machine}`));
      const sections = await succeed("readelf", ["-SW", object]);
      assert.match(sections, /\.rodata\.www\s+PROGBITS\s+0+ 001000 \w+ 00\s+A\s+0\s+0 4096/);
      assert.match(sections, /\.note\.GNU-stack\s+PROGBITS/);
      await succeed(`${prefix}ld`, [
        "-m",
        emulation,
        "--fatal-warnings",
        "-e",
        "0",
        "-o",
        directory.join("linked"),
        object,
      ]);
      const segments = await succeed("readelf", ["-lW", directory.join("linked")]);
      const load = segments.split("\n").find((line) => /LOAD/.test(line) && !/ E /.test(line)) ?? "";
      assert.match(load, / R +0x/, segments);
      const symbols = await succeed("readelf", ["-sW", directory.join("linked")]);
      const value = (name: string) =>
        Number.parseInt(new RegExp(`([0-9a-f]+) +\\w+ \\w+ +GLOBAL.* ${name}$`, "m").exec(symbols)?.[1] ?? "", 16);
      assert.equal(value("www_start") % 4096, 0);
      assert.equal(value("www_end") - value("www_start"), value("www_size"));
    });
  }

  test("a static executable reads the bytes in place, page-aligned and not writable", {
    skip: lacks("gcc", "gcc"),
  }, async () => {
    await using directory = await tempDir("elf");
    const program = await linked(directory);
    await sameTree(directory.join("site"), await unpacked(directory, program, "out"));
    const said = (await readFile(directory.join("out.said"), "utf8")).trim().split(" ").map(Number);
    const { size } = await imageOf(directory.join("site"), "tar", directory.join("tar"));
    assert.deepEqual(said, [0, size, size]);
    assert.equal((await run(program, ["write"])).code, 42);
  });

  test("what it wraps is listed, and the same tree gives the same bytes", async () => {
    await using directory = await tempDir("elf");
    await writeTree(directory.join("site"), SITE);
    const built = await imageOf(directory.join("site"), "elf-object", directory.join("site.o"), { size: 65_536 });
    assert.deepEqual(await scanImage(directory.join("site.o"), formatNamed("elf-object")), built);
    const again = await imageOf(directory.join("site"), "elf-object", directory.join("again.o"), { size: 65_536 });
    assert.equal(again.sha256, built.sha256);
  });

  test("unknown machines and names that C does not take are refused", async () => {
    await using directory = await tempDir("elf");
    await writeTree(directory.join("site"), SITE);
    const make = (options: { arch?: string; symbol?: string }) =>
      imageOf(directory.join("site"), "elf-object", directory.join("site.o"), options);
    await assert.rejects(make({ arch: "z80" }), { code: "USAGE" });
    await assert.rejects(make({ arch: "toString" }), { code: "USAGE" });
    await assert.rejects(make({ symbol: "1st" }), { code: "USAGE" });
    await assert.rejects(make({ symbol: "a-b" }), { code: "USAGE" });
  });

  test("damaged objects are refused, and nothing else happens", async () => {
    await using directory = await tempDir("elf");
    await writeTree(directory.join("site"), SITE);
    await imageOf(directory.join("site"), "elf-object", directory.join("site.o"));
    const object = await readFile(directory.join("site.o"));
    const change = fc.record({
      at: fc.oneof(
        fc.nat(64),
        fc.nat(700).map((at) => object.length - 4 - at),
        fc.nat(1024).map((at) => 4096 + at),
      ),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const damaged = Buffer.from(object);
        for (const { at, bytes } of changes) damaged.set(bytes, at);
        await onlyDeployErrors("elf-object", damaged);
      }),
      { numRuns: 300 },
    );
  });
});

describe("image replace", { skip: lacks("gcc", "gcc") }, () => {
  const NEW_SITE = { "index.html": "<!doctype html><p>New\n", "new/page.html": "page\n" };

  test("a linked program reads the new volume, and is otherwise the same", async () => {
    await using directory = await tempDir("elf");
    const program = await linked(directory, 65_536);
    const before = await readFile(program);
    await writeTree(directory.join("new"), NEW_SITE);
    await imageOf(directory.join("new"), "tar", directory.join("new.img"));
    const { offset, reserved, used } = replace(program, directory.join("new.img"));
    assert.equal(reserved, 65_536);
    assert.equal(used, (await stat(directory.join("new.img"))).size);
    const after = await readFile(program);
    assert.deepEqual(after.subarray(0, offset), before.subarray(0, offset));
    assert.deepEqual(after.subarray(offset + reserved), before.subarray(offset + reserved));
    assert.equal((await stat(program)).mode & 0o777, 0o755);
    await sameTree(directory.join("new"), await unpacked(directory, program, "out"));
    // An object holds the same volume; back to the first site with it.
    replace(program, directory.join("site.o"));
    assert.deepEqual(await readFile(program), before);
  });

  test("a volume that is too large is refused and the program untouched", async () => {
    await using directory = await tempDir("elf");
    const program = await linked(directory);
    await chmod(program, 0o700);
    const before = await readFile(program);
    await writeTree(directory.join("new"), { "large.bin": noise(100_000) });
    await imageOf(directory.join("new"), "tar", directory.join("new.img"));
    assert.throws(() => replace(program, directory.join("new.img")), { code: "SITE_UNREPRESENTABLE" });
    await writeTree(directory.join("small"), { a: "a" });
    await imageOf(directory.join("small"), "docteur", directory.join("small.img"));
    assert.throws(() => replace(program, directory.join("small.img")), { code: "USAGE" });
    const damaged = await readFile(directory.join("new.img"));
    await writeFile(directory.join("damaged.img"), damaged.subarray(0, 8192));
    assert.throws(() => replace(program, directory.join("damaged.img")), { code: "IMAGE_INVALID" });
    assert.deepEqual(await readFile(program), before);
    const left = (await succeed("ls", ["-A", directory.path])).split("\n").filter((name) => name.startsWith("."));
    assert.deepEqual(left, []);
  });

  test("a stripped program, another name and an object are refused with what to do", async () => {
    await using directory = await tempDir("elf");
    const program = await linked(directory);
    await imageOf(directory.join("site"), "tar", directory.join("site.img"));
    const image = directory.join("site.img");
    const refused = (file: string, message: RegExp, name?: string) =>
      assert.throws(() => replace(file, image, name), { code: "KERNEL_UNREADABLE", message });
    refused(program, /no symbols tls_start and tls_end/, "tls");
    refused(directory.join("site.o"), /not linked yet/);
    refused(image, /no ELF file/);
    await succeed("strip", ["-o", directory.join("stripped"), program]);
    refused(directory.join("stripped"), /no symbol table/);
    await succeed("strip", ["-K", "site_start", "-K", "site_end", "-o", directory.join("kept"), program]);
    replace(directory.join("kept"), image);
    assert.equal(path.basename(directory.join("kept")), "kept");
  });
});
