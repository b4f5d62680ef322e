/**
 * A volume linked into the example kernel, served from there, and replaced in the linked file. The variant differs from
 * the kernel in one file: its "block device" is the memory between two symbols.
 */
import assert from "node:assert/strict";
import { copyFile, cp, readFile, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { replaceVolume } from "../../src/artifact/replace-volume.ts";
import { formatNamed } from "../../src/image/formats.ts";
import { openFile } from "../../src/util/files.ts";
import { kernelFolder, request, startQemu } from "../examples/harness.ts";
import { tempDir, writeTree } from "../support/temp.ts";
import { imageOf, lacks, noise, succeed } from "./making.ts";

const BLOCK = `
#include "block.h"
#include "console.h"
#include "text.h"

extern const char site_start[], site_end[];

void block_init(struct virtio_device *device) { (void)device; }

uint64_t block_capacity(void) { return (uint64_t)(site_end - site_start); }

void block_read(void *to, uint64_t offset, size_t length)
{
    if (offset > block_capacity() || length > block_capacity() - offset)
        panic("read beyond the volume");
    memcpy(to, site_start + offset, length);
}
`;

/** Builds the variant: another block.c, the object among the objects, and the symbols kept. */
async function buildVariant(directory: string, object: string): Promise<string> {
  const source = path.join(directory, "kernel");
  await cp(kernelFolder, source, { recursive: true });
  await writeFile(path.join(source, "block.c"), BLOCK);
  const script = await readFile(path.join(source, "build.sh"), "utf8");
  const changed = script.replace("    objects=\n", `    objects=${object}\n`).replace("--strip-all", "");
  assert.notEqual(changed, script);
  await writeFile(path.join(source, "build.sh"), changed);
  await succeed("sh", [path.join(source, "build.sh"), directory]);
  return path.join(directory, "site.virtio");
}

describe("a volume in the example kernel", {
  skip: lacks("gcc", "gcc") || lacks("qemu-system-x86_64", "qemu-system-x86"),
}, () => {
  test("is served from where it was linked, and from its place after it was replaced", {
    timeout: 120_000,
  }, async (t) => {
    await using directory = await tempDir("embedded");
    const page = Buffer.concat([Buffer.from("<!doctype html><p>linked\n"), noise(50_000)]);
    await writeTree(directory.join("old"), { "index.html": page, "only-old.txt": "old\n" });
    await writeTree(directory.join("new"), {
      "index.html": "<!doctype html><p>replaced\n",
      "new.txt": noise(90_000, 2),
    });
    await imageOf(directory.join("old"), "elf-object", directory.join("site.o"), { size: 131_072 });
    const kernel = await buildVariant(directory.path, directory.join("site.o"));
    const disk = directory.join("disk");
    await writeFile(disk, "");
    await truncate(disk, 4096);

    const segments = await succeed("readelf", ["-lW", kernel]);
    const symbols = await succeed("readelf", ["-sW", kernel]);
    const address = Number.parseInt(/([0-9a-f]+) +\w+ +OBJECT +GLOBAL.* site_start$/m.exec(symbols)?.[1] ?? "", 16);
    assert.equal(address % 4096, 0, "page-aligned");
    const loads = [...segments.matchAll(/LOAD +0x\w+ 0x(\w+) 0x\w+ 0x\w+ 0x(\w+) (R[ W][ E])/g)];
    const holding = loads.find(([, at = "", size = ""]) => {
      const start = Number.parseInt(at, 16);
      return address >= start && address < start + Number.parseInt(size, 16);
    });
    assert.equal(holding?.[3], "R  ", segments);

    const served = async (file: string, name: string) => {
      await using running = await startQemu("virtio", disk, { kernel: file });
      await running.until(/^listening on/m, 20_000);
      return (await request(running.port, name)).body;
    };
    assert.deepEqual(await served(kernel, "/"), page);

    await copyFile(kernel, directory.join("replaced"));
    await imageOf(directory.join("new"), "tar", directory.join("new.img"));
    using image = openFile(directory.join("new.img"));
    const replaced = replaceVolume(directory.join("replaced"), { name: "site", image, format: formatNamed("tar") });
    t.diagnostic(`${replaced.used} bytes in a place of ${replaced.reserved} at ${replaced.offset}`);
    assert.equal((await served(directory.join("replaced"), "/")).toString(), "<!doctype html><p>replaced\n");
    assert.deepEqual(await served(directory.join("replaced"), "/new.txt"), noise(90_000, 2));
  });
});
