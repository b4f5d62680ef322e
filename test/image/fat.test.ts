/** FAT volumes, judged by programs that share nothing with them. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { scanImage } from "../../src/artifact/scan-image.ts";
import { DeployError } from "../../src/errors.ts";
import { layoutOf } from "../../src/image/format.ts";
import { formatNamed } from "../../src/image/formats.ts";
import { sortTree } from "../../src/image/tree.ts";
import { MirageFat } from "../support/mirage-fat.ts";
import { run } from "../support/process.ts";
import { tempDir, writeTree } from "../support/temp.ts";
import { imageOf, lacks, noise, onlyDeployErrors, sameTree, succeed, UTF8 } from "./making.ts";

const MIB = 1024 * 1024;
const FORMATS = ["fat", "fat32"] as const;
const DOCUMENTATION = "/usr/share/doc/python3.11/html";

/** Every case that a FAT writer gets wrong, in ASCII. */
const ASCII: Readonly<Record<string, string | Uint8Array>> = {
  "index.html": "<!doctype html>\n",
  "readme.txt": "lower case, 8.3\n",
  "UPPER.TXT": "strict 8.3\n",
  "Mixed.Txt": "mixed case\n",
  NOEXT: "strict, no extension\n",
  "contents.html": "13 characters\n",
  "contents.html.contents.htm": "26 characters\n",
  [`${"n".repeat(34)}.html`]: "39 characters\n",
  [`${"m".repeat(242)}.html`]: "247 characters: 19 full slots\n",
  [`${"l".repeat(250)}.html`]: "255 characters\n",
  ".htaccess": "leading dot\n",
  "a.b.c.tar.gz": "many dots\n",
  "with blanks in it.txt": "blanks\n",
  "+,;=[].bin": "what short names may not hold\n",
  "LONGNA~1.TXT": "what would be another's short name\n",
  ...Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`longname number ${i}.txt`, `tail ${i}\n`])),
  "empty.txt": "",
  "empty directory's sister/empty": "",
  "sizes/512.bin": noise(512),
  "sizes/511.bin": noise(511),
  "sizes/513.bin": noise(513),
  "sizes/4096.bin": noise(4096),
  "sizes/32768.bin": noise(32_768),
  "sizes/100000.bin": noise(100_000),
  [`${Array.from({ length: 40 }, (_, i) => `level${i}`).join("/")}/deep.html`]: "forty directories down\n",
  [`many/${"d".repeat(200)}/${"e".repeat(200)}/file.html`]: "a path of 400 characters\n",
};
const UNICODE = {
  "été.html": "accents\n",
  "漢字のページ.html": "no ASCII at all\n",
  "ß.html": "its upper case is two letters\n",
  "naïve/Ünïcödé/ﬁle.txt": "directories too\n",
};

async function awkwardTree(directory: string, format: string): Promise<void> {
  await writeTree(directory, format === "fat32" ? { ...ASCII, ...UNICODE } : ASCII);
}

/** Everything an independent program can say about the image, and all the files out of it again. */
async function judge(image: string, site: string, scratch: string, diagnostic: (text: string) => void) {
  const judges: [string, string, (target: string) => Promise<unknown>][] = [
    ["mcopy", "mtools", (target) => succeed("mcopy", ["-s", "-n", "-i", image, "::", `${target}/`])],
    ["7zz", "7zip", (target) => succeed("7zz", ["x", "-bd", "-y", `-o${target}`, image])],
  ];
  if (!lacks("fsck.fat", "dosfstools")) {
    const said = await succeed("fsck.fat", ["-n", image]);
    assert.match(said, /^fsck\.fat .*\n[^\n]*: \d+ files, \d+\/\d+ clusters\n$/, "fsck.fat has something to say");
  } else diagnostic("fsck.fat is not installed (Debian: apt-get install dosfstools)");
  for (const [program, debian, extract] of judges) {
    const missing = lacks(program, debian);
    if (missing) {
      diagnostic(missing);
      continue;
    }
    const target = path.join(scratch, program);
    await mkdir(target);
    await extract(target);
    await sameTree(site, target);
    await rm(target, { recursive: true });
  }
  const loop = await linuxReads(image, site, path.join(scratch, "mount"));
  if (loop) diagnostic(`not mounted: ${loop}`);
}

/** Compares through the vfat driver of this machine's Linux; why not, where it cannot be asked. */
async function linuxReads(image: string, site: string, point: string): Promise<string | undefined> {
  await mkdir(point, { recursive: true });
  const mounted = await run("mount", ["-t", "vfat", "-o", "loop,ro,utf8", image, point], { env: UTF8 });
  if (mounted.code !== 0) return mounted.stderr.trim().split("\n")[0];
  try {
    await sameTree(site, point);
  } finally {
    await run("umount", [point], { env: UTF8 });
  }
  return undefined;
}

for (const format of FORMATS) {
  describe(format, () => {
    test("every awkward name and size comes out as it went in", { timeout: 120_000 }, async (t) => {
      await using directory = await tempDir("fat");
      const site = directory.join("site");
      await awkwardTree(site, format);
      const built = await imageOf(site, format, directory.join("image"));
      assert.equal(built.size % 4096, 0);
      await judge(directory.join("image"), site, directory.path, (text) => t.diagnostic(text));
      const scanned = await scanImage(directory.join("image"), formatNamed(format));
      assert.deepEqual(scanned, built);
    });

    test("the same tree gives the same bytes, and so does its size given", async () => {
      await using directory = await tempDir("fat");
      await awkwardTree(directory.join("site"), format);
      const first = await imageOf(directory.join("site"), format, directory.join("one"));
      const second = await imageOf(directory.join("site"), format, directory.join("two"), { size: first.size });
      assert.equal(second.sha256, first.sha256);
    });

    test("a given size gives head-room", async (t) => {
      await using directory = await tempDir("fat");
      const site = directory.join("site");
      await writeTree(site, { "key.pem": "secret\n" });
      const built = await imageOf(site, format, directory.join("image"), { size: 64 * MIB });
      assert.equal(built.size, 64 * MIB);
      await judge(directory.join("image"), site, directory.path, (text) => t.diagnostic(text));
      if (!lacks("mcopy", "mtools")) {
        await writeFile(directory.join("more.bin"), noise(30 * MIB));
        await succeed("mcopy", ["-i", directory.join("image"), directory.join("more.bin"), "::MORE.BIN"]);
        await succeed("fsck.fat", ["-n", directory.join("image")]);
      }
    });

    test("python3-doc", {
      skip: existsSync(`${DOCUMENTATION}/index.html`) ? false : "python3-doc is not installed",
      timeout: 300_000,
    }, async (t) => {
      await using directory = await tempDir("fat");
      const site = directory.join("site");
      await succeed("cp", ["-rL", DOCUMENTATION, site]);
      const built = await imageOf(site, format, directory.join("image"));
      await judge(directory.join("image"), site, directory.path, (text) => t.diagnostic(text));
      assert.deepEqual(await scanImage(directory.join("image"), formatNamed(format)), built);
    });

    test("damaged images are refused, and nothing else happens", { timeout: 120_000 }, async () => {
      await using directory = await tempDir("fat");
      await writeTree(directory.join("site"), ASCII);
      await imageOf(directory.join("site"), format, directory.join("image"));
      const image = await readFile(directory.join("image"));
      const tables = image.readUInt16LE(14) * image.readUInt16LE(11);
      const data = tables + 2 * (image.readUInt16LE(22) || image.readUInt32LE(36)) * 512;
      // Where structure is: boot sector, the first entries of the table, directories.
      const place = fc.oneof(
        fc.nat(90),
        fc.nat(2000).map((at) => tables + at),
        fc.nat(40_000).map((at) => data + at),
      );
      const change = fc.record({ at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }) });
      const seen = { read: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
          // In place and back again: a copy of the image for each would take longer than all the rest.
          const places = changes.map(({ at, bytes }) => ({
            at,
            was: Buffer.from(image.subarray(at, at + bytes.length)),
          }));
          for (const { at, bytes } of changes) image.set(bytes, at);
          try {
            seen[await onlyDeployErrors(format, image)]++;
          } finally {
            for (const { at, was } of places) image.set(was, at);
          }
        }),
        { numRuns: 150 },
      );
      assert.ok(seen.refused > 10 && seen.read > 10, JSON.stringify(seen));
    });
  });
}

describe("fat, for MirageOS", () => {
  test("its reader finds every file by its name, in sectors of 512 and 4096 bytes", async () => {
    await using directory = await tempDir("fat");
    await writeTree(directory.join("site"), ASCII);
    for (const sectorSize of [512, 4096]) {
      await imageOf(directory.join("site"), "fat", directory.join("image"), { sectorSize });
      const reader = new MirageFat(await readFile(directory.join("image")));
      for (const [name, content] of Object.entries(ASCII)) {
        assert.deepEqual(reader.read(name), Buffer.from(content), `${name}, sectors of ${sectorSize}`);
      }
      assert.equal(reader.read("INDEX.HTML"), undefined);
    }
  });

  test("names that it would not find are refused, all at once", () => {
    assert.deepEqual(problems("fat", ["été.html", ".GIT", "A B.TXT", "ok.html"]), [
      `.GIT: MirageOS's FAT reader takes it for another short name`,
      `A B.TXT: MirageOS's FAT reader takes it for another short name`,
      `été.html: MirageOS's FAT reader finds only ASCII names (format fat32 holds any)`,
    ]);
  });

  test("the largest volume keeps clear of cluster numbers that it takes for bad ones", () => {
    const { size } = layoutOf(formatNamed("fat"), [{ path: "large.bin", size: 2_140_000_000 }]);
    assert.ok(size < 2 ** 31, `${size}`);
    assert.throws(() => layoutOf(formatNamed("fat"), [{ path: "large.bin", size: 2_150_000_000 }]), {
      code: "SITE_UNREPRESENTABLE",
    });
  });
});

/** What `layout` objects to. */
function problems(format: string, names: readonly string[], size = 1): readonly string[] {
  try {
    layoutOf(formatNamed(format), sortTree(names.map((name) => ({ path: name, size }))));
  } catch (error) {
    assert.ok(error instanceof DeployError);
    assert.equal(error.code, "SITE_UNREPRESENTABLE");
    return error.problems;
  }
  return [];
}

describe("fat32, for everybody else", () => {
  // mtools writes two underscores for a surrogate pair.
  test("names beyond the basic plane", { skip: lacks("7zz", "7zip") }, async () => {
    await using directory = await tempDir("fat");
    await writeTree(directory.join("site"), { "emoji 🦄.html": "a surrogate pair\n", "🦄/𝒳.html": "two\n" });
    await imageOf(directory.join("site"), "fat32", directory.join("image"));
    await succeed("7zz", ["x", "-bd", "-y", `-o${directory.join("out")}`, directory.join("image")]);
    await sameTree(directory.join("site"), directory.join("out"));
  });
});

describe("what FAT cannot carry", () => {
  test("is refused by name, all at once", () => {
    const long = "x".repeat(256);
    assert.deepEqual(problems("fat32", ["FAQ.html", "faq.html", "a/B/c", "A/b/d", "q?.html", "dot.", "blank ", long]), [
      "a: the same name as A to FAT, which ignores case",
      "blank : FAT readers drop a dot or blank at the end of a name",
      "dot.: FAT readers drop a dot or blank at the end of a name",
      "faq.html: the same name as FAQ.html to FAT, which ignores case",
      "q?.html: FAT has no ? in names",
      `${long}: a name of 256 UTF-16 units; FAT holds 255`,
    ]);
    assert.deepEqual(problems("fat32", ["Été", "été"]), ["été: the same name as Été to FAT, which ignores case"]);
    assert.deepEqual(problems("fat32", ["ß.html", "ss.html", "SS.txt"]), []);
    assert.match(problems("fat32", ["large.bin"], 2 ** 32)[0] ?? "", /at most 4294967295/);
  });

  test("a directory of more names than fit", () => {
    const names = Array.from({ length: 30_000 }, (_, i) => `all/a long name that takes slots ${i}.html`);
    assert.match(problems("fat32", names)[0] ?? "", /^all: 30000 names need \d+ entries, a FAT directory holds 65536$/);
  });

  test("more than the size given", () => {
    assert.throws(
      () => layoutOf(formatNamed("fat"), [{ path: "a", size: 5 * MIB }], { size: 4 * MIB }),
      (error: DeployError) => /the files need \d+ bytes, the volume is given 4194304/.test(error.problems[0] ?? ""),
    );
  });
});

describe("any tree", () => {
  const size = fc.oneof(fc.nat(3), fc.nat(70_000), fc.constantFrom(512, 1024, 4096, 32_768));
  const tree = fc
    .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z0-9]{1,20}(\/[a-z0-9]{1,20}){0,3}\.[a-z]{1,4}$/), size), {
      selector: ([name]) => name,
      maxLength: 40,
    })
    .map((files) => sortTree(files.map(([name, bytes]) => ({ path: name, size: bytes }))));

  for (const format of FORMATS) {
    test(`${format}: the pieces add up, starts ascend, and the size given again changes nothing`, () => {
      fc.assert(
        fc.property(tree, fc.nat(8 * MIB), (files, more) => {
          const layout = layoutOf(formatNamed(format), files);
          let total = 0;
          for (const piece of layout.pieces()) {
            total += piece.kind === "bytes" ? piece.bytes.length : piece.kind === "zeros" ? piece.length : piece.size;
          }
          assert.equal(total, layout.size);
          assert.deepEqual(
            layout.starts,
            layout.starts.toSorted((a, b) => a - b),
          );
          const again = layoutOf(formatNamed(format), files, { size: layout.size });
          assert.deepEqual(again.starts, layout.starts);
          const roomy = layoutOf(formatNamed(format), files, { size: layout.size + more });
          assert.equal(roomy.size, Math.ceil((layout.size + more) / 4096) * 4096);
        }),
        { numRuns: 60 },
      );
    });
  }
});

describe("images made by others", () => {
  test("fragmented files are read through their chains", {
    skip: lacks("mcopy", "mtools") || lacks("mkfs.fat", "dosfstools"),
  }, async () => {
    await using directory = await tempDir("fat");
    const image = directory.join("image");
    const mcopy = (from: string, to: string) => succeed("mcopy", ["-i", image, directory.join(from), `::${to}`]);
    await truncate(await touched(image), 40 * MIB);
    await succeed("mkfs.fat", ["-F", "32", "-s", "1", image]);
    await writeTree(directory.path, { hole: noise(3000, 1), wall: noise(700, 2), large: noise(30_000, 3) });
    for (let i = 0; i < 4; i++) {
      await mcopy("hole", `hole${i}`);
      await mcopy("wall", `wall${i}`);
    }
    for (let i = 0; i < 4; i++) await succeed("mdel", ["-i", image, `::hole${i}`]);
    await mcopy("large", "large file.bin");
    await succeed("fsck.fat", ["-n", image]);
    const { index } = await scanImage(image, formatNamed("fat32"));
    const large = index.find(({ path: name }) => name === "large file.bin");
    assert.equal(large?.id, await blobId(directory.join("large")));
    assert.equal(index.length, 5);
  });

  test("a chain in two pieces, and one that loops", async () => {
    await using directory = await tempDir("fat");
    await writeTree(directory.join("site"), { "a.bin": noise(1024, 4), "b.bin": noise(512, 5) });
    await imageOf(directory.join("site"), "fat", directory.join("image"));
    const image = await readFile(directory.join("image"));
    const table = image.readUInt16LE(14) * 512;
    const data = table + 2 * image.readUInt16LE(22) * 512 + image.readUInt16LE(17) * 32;
    // a is in clusters 2 and 3, b in 4: exchange 3 and 4 on disk, and a runs 2, 4.
    const [third, fourth] = [1, 2].map((n) => Buffer.from(image.subarray(data + n * 512, data + (n + 1) * 512)));
    image.set(fourth as Buffer, data + 512);
    image.set(third as Buffer, data + 1024);
    image.writeUInt16LE(4, table + 2 * 2);
    image.writeUInt16LE(0xffff, table + 2 * 3);
    image.writeUInt16LE(0xffff, table + 2 * 4);
    const root = image.indexOf("B       BIN", 0, "latin1");
    image.writeUInt16LE(3, root + 26);
    await writeFile(directory.join("image"), image);
    const { index } = await scanImage(directory.join("image"), formatNamed("fat"));
    assert.deepEqual(
      index.map(({ id }) => id),
      [await blobId(directory.join("site/a.bin")), await blobId(directory.join("site/b.bin"))],
    );
    image.writeUInt16LE(2, table + 2 * 4);
    assert.equal(await onlyDeployErrors("fat", image), "refused");
  });

  test("lower-case short names of Windows NT and mtools keep their case; FAT12 is refused", {
    skip: lacks("mcopy", "mtools") || lacks("mkfs.fat", "dosfstools"),
  }, async () => {
    await using directory = await tempDir("fat");
    const image = directory.join("image");
    await truncate(await touched(image), 20 * MIB);
    await succeed("mkfs.fat", ["-F", "16", "-n", "LABEL", image]);
    await writeTree(directory.path, { "readme.txt": "lower\n", "été.html": "accents\n", "contents.html": "13\n" });
    for (const name of ["readme.txt", "été.html", "contents.html"]) {
      await succeed("mcopy", ["-i", image, directory.join(name), `::${name}`]);
    }
    const { index } = await scanImage(image, formatNamed("fat"));
    assert.deepEqual(
      index.map(({ path: name }) => name),
      ["contents.html", "readme.txt", "été.html"],
    );
    await truncate(await touched(directory.join("small")), 1 * MIB);
    await succeed("mkfs.fat", ["-F", "12", directory.join("small")]);
    await assert.rejects(scanImage(directory.join("small"), formatNamed("fat")), /a FAT12 volume/);
  });
});

async function touched(file: string): Promise<string> {
  await (await open(file, "w")).close();
  return file;
}

async function blobId(file: string): Promise<string> {
  return (await succeed("git", ["hash-object", file])).trim();
}

describe("large", { skip: process.env["LONG_TESTS"] ? false : "minutes long: set LONG_TESTS=1" }, () => {
  test("60,000 files", { timeout: 900_000 }, async (t) => {
    await using directory = await tempDir("fat");
    const site = directory.join("site");
    const files = Array.from({ length: 60_000 }, (_, i) => [`part${i % 97}/a page ${i}.html`, `page ${i}\n`] as const);
    await writeTree(site, Object.fromEntries(files));
    for (const format of FORMATS) {
      const started = performance.now();
      const built = await imageOf(site, format, directory.join("image"));
      t.diagnostic(`${format}: ${built.size} bytes in ${Math.round(performance.now() - started)} ms`);
      await judge(directory.join("image"), site, directory.path, (text) => t.diagnostic(text));
    }
  });

  test("a file of 3.9 GiB", { timeout: 900_000 }, async (t) => {
    await using directory = await tempDir("fat");
    const site = directory.join("site");
    await writeTree(site, { "small.html": "small\n" });
    await truncate(await touched(path.join(site, "video.mp4")), Math.floor(3.9 * 1024 * MIB));
    const started = performance.now();
    const built = await imageOf(site, "fat32", directory.join("image"));
    t.diagnostic(`${built.size} bytes in ${Math.round(performance.now() - started)} ms`);
    assert.equal((await stat(directory.join("image"))).size, built.size);
    await judge(directory.join("image"), site, directory.path, (text) => t.diagnostic(text));
    const scanned = await scanImage(directory.join("image"), formatNamed("fat32"));
    assert.deepEqual(scanned, built);
  });
});
