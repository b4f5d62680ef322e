import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, existsSync, readFileSync, statSync, truncateSync } from "node:fs";
import { cp, mkdir, open, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { readSite, sizesOf } from "../../src/artifact/read-tree.ts";
import { makeImage } from "../../src/artifact/make-image.ts";
import type { RingShape } from "../../src/artifact/ring.ts";
import { type BuiltImage, writeImage, type WriteImageOptions } from "../../src/artifact/write-image.ts";
import type { SerialShape } from "../../src/artifact/serial-slot.ts";
import { SiteNames } from "../../src/artifact/site-names.ts";
import { writeSerial } from "../../src/artifact/write-serial.ts";
import { DeployError } from "../../src/errors.ts";
import { formatNamed } from "../../src/image/formats.ts";
import { tar } from "../../src/image/tar.ts";
import { CLI } from "../support/project.ts";
import { output, run } from "../support/process.ts";
import { tempDir, writeTree } from "../support/temp.ts";

/** Small enough that files are divided, that slots fill up in each of the three ways, and that the ring goes round. */
const SHAPES: readonly RingShape[] = [
  { slots: 1, slotBytes: 512, slotTasks: 1 },
  { slots: 2, slotBytes: 1000, slotTasks: 3 },
  { slots: 3, slotBytes: 4096, slotTasks: 2 },
  { slots: 5, slotBytes: 70_000, slotTasks: 100 },
];

/** Sizes on both sides of every boundary there is: blocks, slots, several slots. */
const SIZES = [0, 1, 511, 512, 513, 999, 1000, 1001, 4095, 4096, 4097, 8192, 69_999, 70_000, 70_001, 300_000];

async function mixedSite(directory: string): Promise<void> {
  const files: Record<string, string> = {};
  for (const [i, size] of SIZES.entries()) {
    files[`${String(i).padStart(2, "0")}/of-${size}.bin`] = String.fromCharCode(97 + i).repeat(size);
    files[`again/${i}-ü.bin`] = `${i}`.repeat(size).slice(0, size);
  }
  await writeTree(directory, files);
}

async function image(directory: string, out: string, options: WriteImageOptions = {}) {
  const files = sizesOf(readSite(directory).names);
  return plain(await writeImage(tar.layout(files), files, out, options));
}

/** An image that can be compared. */
const plain = ({ index: { bytes, entries }, ...image }: BuiltImage) => ({
  ...image,
  index: entries,
  indexFile: bytes.toString(),
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** As SHAPES, for the writer that learns sizes as it goes. */
const SERIAL_SHAPES: readonly SerialShape[] = [
  { slots: 3, slotBytes: 2048, batchFiles: 1 },
  { slots: 3, slotBytes: 4096, batchFiles: 3 },
  { slots: 4, slotBytes: 8192, batchFiles: 2 },
  { slots: 5, slotBytes: 70_144, batchFiles: 100 },
];

/** Slots for a file of some megabytes. */
const LARGE_SLOTS: SerialShape = { slots: 3, slotBytes: 32 * 1024 ** 2, batchFiles: 1 };

const blobId = (content: Uint8Array) =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");

describe("writeSerial", () => {
  const write = async (directory: string, out: string, threads: number, shape: SerialShape) =>
    plain(await writeSerial({ ...readSite(directory), frames: "tar", out, threads, shape }));

  test("gives the bytes and ids that are given where sizes are known ahead", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await mixedSite(site);
    await writeTree(site, { [`${"long/".repeat(50)}name`]: "x".repeat(3000), [`${"n".repeat(200)}`]: "" });
    await symlink("12", path.join(site, "linked"));
    await symlink("../13/of-70000.bin", path.join(site, "again", "a link"));
    const expected = await image(site, out, { threads: 1 });
    const bytes = await readFile(out);
    for (const threads of [1, 2, 3]) {
      for (const shape of SERIAL_SHAPES) {
        assert.deepEqual(await write(site, out, threads, shape), expected, JSON.stringify({ threads, shape }));
        assert.ok(bytes.equals(await readFile(out)), JSON.stringify({ threads, shape }));
      }
    }
  });

  test("does so for thousands of files, some of them behind a link", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    const names = Array.from({ length: 1500 }, (_, i) => `${i % 7}/${i % 3 ? "page" : "Seite ü"}-${i}.html`);
    await writeTree(site, Object.fromEntries(names.map((name, i) => [name, `${i}`.repeat(i % 50)])));
    for (const i of [0, 3, 6]) await symlink(`${i}`, path.join(site, `${i} again`));
    const expected = await image(site, out, { threads: 1 });
    const bytes = await readFile(out);
    for (const threads of [1, 2, 3]) {
      for (const batchFiles of [100, 1000, 2000]) {
        const shape: SerialShape = { slots: 12, slotBytes: 64 * 1024, batchFiles };
        assert.deepEqual(await write(site, out, threads, shape), expected, JSON.stringify({ threads, batchFiles }));
        assert.ok(bytes.equals(await readFile(out)), JSON.stringify({ threads, batchFiles }));
      }
    }
  });

  test("does so for any sizes", async () => {
    const sizes = fc.array(fc.oneof(fc.nat(3000), fc.nat(30_000), fc.constantFrom(...SIZES)), {
      minLength: 1,
      maxLength: 12,
    });
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await fc.assert(
      fc.asyncProperty(sizes, fc.constantFrom(...SERIAL_SHAPES), fc.constantFrom(1, 2), async (all, shape, threads) => {
        await rm(site, { recursive: true, force: true });
        await writeTree(
          site,
          Object.fromEntries(all.map((size, i) => [`${i % 3}/${i}`, `${i}`.repeat(size).slice(0, size)])),
        );
        const expected = await image(site, out, { threads: 1 });
        assert.deepEqual(await write(site, out, threads, shape), expected);
        assert.equal(sha256(await readFile(out)), expected.sha256);
      }),
      { numRuns: 40 },
    );
  });

  test("tells the first failure in the image, with several threads or one, and leaves nothing", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await mixedSite(site);
    const found = readSite(site);
    await rm(path.join(site, "05/of-999.bin"));
    await rm(path.join(site, "again/3-ü.bin"));
    for (const threads of [1, 2]) {
      for (const shape of SERIAL_SHAPES) {
        await assert.rejects(writeSerial({ ...found, frames: "tar", out, threads, shape }), {
          code: "IO_FAILED",
          message: /05\/of-999\.bin/,
        });
      }
    }
    assert.deepEqual((await readdir(directory.path)).sort(), ["site"]);
  });

  test("reads to the end what comes a little at a time", async (t) => {
    const source = "/proc/kallsyms";
    if (!existsSync(source)) return t.skip(`there is no ${source} here`);
    await using directory = await tempDir("image");
    const out = directory.join("image");
    const names = new SiteNames("/proc", [{ path: "f", source }]);
    const { index } = await writeSerial({ frames: "tar", names, out, threads: 1, shape: LARGE_SLOTS });
    const content = readFileSync(source);
    assert.deepEqual(index.entries, [{ path: "f", size: content.length, id: blobId(content) }]);
  });

  test("leaves it to whoever knows all sizes to name every file that is too large", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await writeTree(site, { a: "a" });
    for (const name of ["b", "c"]) await sparseFile(path.join(site, name), 8 * 1024 ** 3);
    const made = makeImage({ format: formatNamed("tar"), from: site, out });
    await assert.rejects(made, (error: unknown) => {
      assert.ok(error instanceof DeployError && error.code === "SITE_UNREPRESENTABLE");
      assert.deepEqual(
        error.problems.map((problem) => problem.slice(0, 2)),
        ["b:", "c:"],
      );
      return true;
    });
    assert.deepEqual(await readdir(directory.path), ["site"]);
  });

  test("refuses a file that grows or shrinks while it is read", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await writeTree(site, { "a.bin": "a".repeat(40_000_000) });
    const file = path.join(site, "a.bin");
    for (const [change, message] of [
      [() => appendFileSync(file, "x"), /is longer than 40000000 bytes/],
      [() => truncateSync(file, 30_000_000), /ends after \d+ of 4000000\d bytes/],
    ] as const) {
      let turns = 0;
      const job = {
        ...readSite(site),
        frames: "tar",
        out,
        threads: 1,
        shape: SERIAL_SHAPES[1] as SerialShape,
      } as const;
      // The first turn ends after 16 MiB.
      setImmediate(() =>
        setImmediate(() => {
          turns++;
          change();
        }),
      );
      await assert.rejects(writeSerial(job), { code: "FILE_CHANGED", message });
      assert.equal(turns, 1);
    }
    assert.deepEqual(await readdir(directory.path), ["site"]);
  });
});

describe("writeImage", () => {
  test("gives the same bytes and ids with any number of threads and any shape of the ring", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await mixedSite(site);
    const expected = await image(site, out, { threads: 1 });
    const bytes = await readFile(out);
    assert.equal(expected.sha256, sha256(bytes));
    assert.equal(expected.size, bytes.length);
    for (const threads of [1, 2, 3]) {
      for (const shape of SHAPES) {
        assert.deepEqual(await image(site, out, { threads, shape }), expected, JSON.stringify({ threads, shape }));
        assert.ok(bytes.equals(await readFile(out)), JSON.stringify({ threads, shape }));
      }
    }
  });

  test("gives every file the id that git gives it, and bytes that GNU tar reads", async () => {
    const name = fc.stringMatching(/^[a-zA-Z0-9_ äß€😀-]{1,12}$/u).filter((text) => text.trim() === text);
    const content = fc.uint8Array({ maxLength: 3000 });
    const tree = fc.dictionary(
      fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(".d/")),
      content,
      {
        minKeys: 1,
        maxKeys: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(tree, fc.constantFrom(...SHAPES), fc.constantFrom(1, 2), async (files, shape, threads) => {
        await using directory = await tempDir("image");
        const [site, out, back] = [directory.join("site"), directory.join("image"), directory.join("back")];
        for (const [file, bytes] of Object.entries(files)) {
          await mkdir(path.dirname(path.join(site, file)), { recursive: true });
          await writeFile(path.join(site, file), bytes);
        }
        const { index } = await image(site, out, { shape, threads });
        const paths = index.map((entry) => path.join(site, entry.path));
        const ids = await output("git", ["hash-object", "--no-filters", "--", ...paths]);
        assert.deepEqual(
          index.map(({ id }) => id),
          ids.split("\n"),
        );
        await mkdir(back);
        await output("tar", ["-xf", out, "-C", back]);
        await output("diff", ["--recursive", site, back]);
      }),
      { numRuns: 25 },
    );
  });

  test("of several threads or one, the first failure in the image is told", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await mixedSite(site);
    const files = sizesOf(readSite(site).names);
    const layout = tar.layout(files);
    await rm(path.join(site, "05/of-999.bin"));
    await rm(path.join(site, "again/3-ü.bin"));
    for (const threads of [1, 2]) {
      for (const shape of SHAPES) {
        await assert.rejects(writeImage(layout, files, out, { threads, shape }), {
          code: "IO_FAILED",
          message: /05\/of-999\.bin/,
        });
      }
    }
    assert.deepEqual((await readdir(directory.path)).sort(), ["site"]);
  });

  const changes: readonly (readonly [string, (file: string) => void | Promise<void>, RegExp])[] = [
    ["grown by one byte", (file) => appendFileSync(file, "x"), /is longer than/],
    ["cut by one byte", (file) => truncate(file, statSync(file).size - 1), /ends after \d+ of \d+ bytes/],
    ["emptied", (file) => truncate(file, 0), /ends after 0 of \d+ bytes/],
  ];
  for (const [what, change, message] of changes) {
    test(`a file that was ${what} since is an error and leaves nothing`, async () => {
      for (const size of [1, 4096, 70_001, 300_000]) {
        await using directory = await tempDir("image");
        const [site, out] = [directory.join("site"), directory.join("image")];
        await mixedSite(site);
        const files = sizesOf(readSite(site).names);
        const file = path.join(site, `${String(SIZES.indexOf(size)).padStart(2, "0")}/of-${size}.bin`);
        await change(file);
        for (const threads of [1, 2]) {
          const shape = SHAPES[2] as RingShape;
          await assert.rejects(writeImage(tar.layout(files), files, out, { threads, shape }), {
            code: "FILE_CHANGED",
            message,
          });
        }
        assert.deepEqual(await readdir(directory.path), ["site"]);
      }
    });
  }

  test("leaves an image that is there alone until the new one is whole", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await mixedSite(site);
    const files = sizesOf(readSite(site).names);
    await writeFile(out, "the image before");
    await truncate(path.join(site, "10/of-4097.bin"), 1);
    await assert.rejects(writeImage(tar.layout(files), files, out), { code: "FILE_CHANGED" });
    assert.equal(await readFile(out, "utf8"), "the image before");
  });

  test("refuses a layout whose pieces are not as long as it says", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await mixedSite(site);
    const files = sizesOf(readSite(site).names);
    const layout = tar.layout(files);
    await assert.rejects(writeImage({ ...layout, size: layout.size + 1 }, files, out), /add up to/);
    assert.deepEqual(await readdir(directory.path), ["site"]);
  });
});

/** Mounting takes root, and a kernel that lets us. */
function canMount(): boolean {
  const tried = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
  return tried.status === 0;
}

describe("image create", () => {
  test("says that the disk is full, and leaves nothing on it", {
    skip: canMount() ? false : "needs root",
  }, async () => {
    await using directory = await tempDir("image");
    const [site, full] = [directory.join("site"), directory.join("full")];
    await mkdir(full);
    await writeTree(site, { "a.bin": "a".repeat(6_000_000), "b.bin": "b".repeat(6_000_000) });
    const script = 'mount -t tmpfs -o size=5m none "$1" && shift && "$@"; code=$?; ls -A "$0"; exit $code';
    const command = [process.execPath, CLI, "image", "create", "--from", site, "--out", path.join(full, "image")];
    const ran = await run("unshare", ["--mount", "sh", "-c", script, full, full, ...command]);
    assert.equal(ran.code, 3);
    assert.match(ran.stderr, /ENOSPC[\s\S]*free some space/);
    assert.equal(ran.stdout, "");
  });

  test("leaves nothing when it is told to end", async () => {
    await using directory = await tempDir("image");
    const [site, out] = [directory.join("site"), directory.join("image")];
    await sparseFile(path.join(site, "large.bin"), 4 * 1024 ** 3);
    const child = spawn(process.execPath, [CLI, "image", "create", "--from", site, "--out", out], { stdio: "ignore" });
    const ended = once(child, "exit");
    while (!(await readdir(directory.path)).some((name) => name.endsWith(".tmp"))) {
      assert.equal(child.exitCode, null);
    }
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
    assert.deepEqual(await readdir(directory.path), ["site"]);
  });

  test("does without a second thread where none can be had", async () => {
    await using directory = await tempDir("image");
    const [site, dist] = [directory.join("site"), directory.join("dist")];
    await sparseFile(path.join(site, "large.bin"), 80 * 1024 ** 2);
    await cp(path.dirname(CLI), dist, { recursive: true });
    const create = async (program: string, out: string) =>
      output(process.execPath, [program, "image", "create", "--json", "--from", site, "--out", directory.join(out)]);
    const expected = await create(CLI, "with.img");
    for (const worker of ["throw new Error('no');", "process.exit(0);"]) {
      await writeFile(path.join(dist, "chunks/image-worker.js"), worker);
      assert.equal(await create(path.join(dist, "cli.js"), "without.img"), expected);
    }
    assert.deepEqual((await readdir(directory.path)).sort(), ["dist", "site", "with.img", "without.img"]);
  });

  test("does so where the system refuses to start one, also early on a site of many files", async () => {
    await using directory = await tempDir("image");
    const site = directory.join("site");
    await writeTree(site, Object.fromEntries(Array.from({ length: 1200 }, (_, i) => [`${i}`, `page ${i}`])));
    const refusing = `
      import threads from "node:worker_threads";
      import { syncBuiltinESMExports } from "node:module";
      threads.Worker = class { constructor() { process.stderr.write("refused\\n"); throw new Error("EAGAIN"); } };
      syncBuiltinESMExports();`;
    const create = async (out: string, ...before: string[]) =>
      run(process.execPath, [
        ...before,
        CLI,
        "image",
        "create",
        "--json",
        "--from",
        site,
        "--out",
        directory.join(out),
      ]);
    const expected = await create("with.img");
    const ran = await create("without.img", "--import", `data:text/javascript,${encodeURIComponent(refusing)}`);
    assert.deepEqual([ran.code, ran.stdout], [0, expected.stdout]);
    assert.match(ran.stderr, /refused\nrefused/);
    assert.deepEqual((await readdir(directory.path)).sort(), ["site", "with.img", "without.img"]);
  });

  test("takes no more memory for a large file or for many files", async (t) => {
    await using directory = await tempDir("image");
    const [large, many, out] = [directory.join("large"), directory.join("many"), directory.join("image")];
    await sparseFile(path.join(large, "large.bin"), 200 * 1024 ** 2);
    const pages: Record<string, string> = {};
    for (let i = 0; i < 10_000; i++) pages[`${i % 50}/page-${i}.html`] = `page ${i}`;
    await writeTree(many, pages);
    for (const site of [large, many]) {
      // What the program itself writes down at its end: the most memory it ever had.
      const code = `process.on("exit", () => console.error("peak " + process.resourceUsage().maxRSS));`;
      const before = `data:text/javascript,${encodeURIComponent(code)}`;
      const args = ["--import", before, CLI, "image", "create", "--from", site, "--out", out];
      const ran = await run(process.execPath, args);
      assert.equal(ran.code, 0, ran.stderr);
      const peak = Number(/peak (\d+)/.exec(ran.stderr)?.[1]) / 1024;
      t.diagnostic(`${path.basename(site)}: ${peak.toFixed(0)} MiB`);
      assert.ok(peak < 150, `${peak} MiB`);
    }
    assert.ok(readFileSync(out).length > 10_000 * 1024);
  });
});

async function sparseFile(file: string, size: number): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await using handle = await open(file, "w");
  await handle.truncate(size);
}
