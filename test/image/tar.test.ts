/** Tar images: read by GNU tar and bsdtar, read back by our own reader, and damaged in every way there is. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DeployError } from "../../src/errors.ts";
import { listTar } from "../../src/image/tar-read.ts";
import { tar } from "../../src/image/tar.ts";
import { MAX_PATH } from "../../src/image/tar-frames.ts";
import { compareBytewise, bytesSource } from "../../src/util/bytes.ts";
import { fc, fuzzRuns } from "../support/fuzz.ts";
import { imageOf } from "../support/images.ts";
import { output, run } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

type Files = Readonly<Record<string, string | Buffer>>;

/** A path of exactly `length` bytes, in segments of at most `segment`. */
function pathOf(length: number, segment = 200): string {
  let path = "";
  while (path.length < length) path += path.length % (segment + 1) === segment ? "/" : "p";
  return path.endsWith("/") ? `${path.slice(0, -1)}p` : path;
}

const AWKWARD: Files = {
  "index.html": "<p>Hello.</p>",
  empty: "",
  "one byte": "x",
  "exactly/511": Buffer.alloc(511, 1),
  "exactly/512": Buffer.alloc(512, 2),
  "exactly/513": Buffer.alloc(513, 3),
  "exactly/4096": Buffer.alloc(4096, 4),
  "exactly/1 MiB": Buffer.alloc(1024 * 1024, 5),
  "zeros/1024": Buffer.alloc(1024),
  "ä/ö/ü/日本語/😀.html": "UTF-8",
  "e\u0301 and é": "two forms",
  "odd\ufffdname": "a replacement character",
  "-rf": "a flag",
  "--checkpoint-action=exec=false": "a flag of tar's",
  " leading and trailing ": "spaces",
  "back\\slash": "no separator here",
  "quotes'\"`$(echo)": "a shell's",
  "*?[a]": "a glob",
  ".hidden/.file": "dots",
  "a...b/..c/d..": "dots that are no segments",
  [`c/${pathOf(98)}`]: "100 bytes",
  [`d/${pathOf(99)}`]: "101 bytes",
  [`e${pathOf(153, 300)}`]: "154 bytes without a slash",
  [`f/${pathOf(153, 150)}`]: "155 bytes",
  [`g/${pathOf(254, 155)}`]: "256 bytes, just so in two fields",
  [`h/${pathOf(254)}`]: "256 bytes",
  [`i/${pathOf(MAX_PATH - 2)}`]: "511 bytes",
  ["ä".repeat(100)]: "200 bytes in 100 characters",
  [`x${"ä".repeat(100)}`]: "whose 100th byte is half a character",
};

describe("what GNU tar and bsdtar read", { concurrency: 2 }, () => {
  let dir: TempDir;
  before(async () => {
    dir = await tempDir("tar");
    await writeFile(dir.join("image"), imageOf(tar, AWKWARD));
  });
  after(() => dir[Symbol.asyncDispose]());
  const readers = [
    { program: "tar", list: ["--quoting-style=literal", "--show-transformed-names", "-tf"] },
    { program: "bsdtar", list: ["-tf"] },
  ];
  for (const { program, list } of readers) {
    it(`${program} lists and extracts exactly the files`, async (t) => {
      if ((await run("sh", ["-c", `command -v ${program}`])).code !== 0) return t.skip(`there is no ${program} here`);
      const env = { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" };
      const lines = await output(program, [...list, dir.join("image")], { env });
      const names = lines.split("\n").map((line) => (program === "bsdtar" ? unescape(line) : line));
      assert.deepEqual(names, Object.keys(AWKWARD).toSorted(compareBytewise));
      const to = dir.join(program);
      await mkdir(to);
      const { code, stderr } = await run(program, ["-xf", dir.join("image"), "-C", to], { env });
      assert.deepEqual([code, stderr], [0, ""]);
      assert.deepEqual(await filesBelow(to), new Map(Object.entries(AWKWARD).map(([k, v]) => [k, Buffer.from(v)])));
    });
  }
});

/** bsdtar prints a backslash as two. */
const unescape = (name: string) => name.replaceAll("\\\\", "\\");

async function filesBelow(directory: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile()) found.set(file.slice(directory.length + 1), await readFile(file));
  }
  return new Map([...found].toSorted(([a], [b]) => compareBytewise(a, b)));
}

const segment = fc.string({ minLength: 1, maxLength: 40, unit: "binary" }).filter((text) => {
  const control = Array.from(text).some((char) => char < " " || char === "\u007f" || char === "/");
  return !control && text !== "." && text !== ".." && text.isWellFormed();
});
const somePath = fc
  .array(segment, { minLength: 1, maxLength: 6 })
  .map((segments) => segments.join("/"))
  .filter((path) => Buffer.byteLength(path) <= MAX_PATH);
/** Sizes around those of blocks; the content is of no interest. */
const someContent = fc
  .tuple(fc.constantFrom(0, 1, 511, 512, 513, 1024, 1500), fc.nat(255))
  .map(([size, fill]) => Buffer.alloc(size, fill));
const someFiles = fc
  .uniqueArray(fc.tuple(somePath, someContent), { maxLength: 8, selector: ([path]) => path })
  .map((files) => files.filter(([path]) => !files.some(([other]) => other !== path && path.startsWith(`${other}/`))))
  .map((files) => Object.fromEntries(files));

describe("layout and list", () => {
  it("are each other's inverse", () => {
    fc.assert(
      fc.property(someFiles, (files) => {
        const image = imageOf(tar, files);
        const found = [...listTar(bytesSource(image))];
        assert.deepEqual(
          found.map(({ path, offset, size }) => [path, image.subarray(offset, offset + size)]),
          Object.entries(files)
            .toSorted(([a], [b]) => compareBytewise(a, b))
            .map(([path, content]) => [path, Buffer.from(content)]),
        );
        assert.equal(image.length % 4096, 0);
        assert.ok(image.subarray(-1024).every((byte) => byte === 0));
      }),
      { numRuns: 200 },
    );
  });

  it("starts are where the files' headers are", () => {
    const tree = [
      { path: "a", size: 513 },
      { path: "b".repeat(300), size: 0 },
      { path: "c", size: 1 },
    ];
    assert.deepEqual(tar.layout(tree).starts, [0, 1536, 3072]);
  });

  it("take a given size, rounded up, and refuse one that is too small", () => {
    const tree = [{ path: "a", size: 5000 }];
    assert.equal(tar.layout(tree, { size: 10_000 }).size, 12_288);
    assert.throws(() => tar.layout(tree, { size: 4096 }), refusal("the files need 8192 bytes"));
  });
});

/** Whether an error is SITE_UNREPRESENTABLE, and one of its problems has the text. */
const refusal = (text: string) => (error: unknown) =>
  error instanceof DeployError &&
  error.code === "SITE_UNREPRESENTABLE" &&
  error.problems.some((problem) => problem.includes(text));

describe("what a tar volume refuses", () => {
  const refused: readonly (readonly [string, readonly { path: string; size: number }[], string])[] = [
    ["a path of 512 bytes", [{ path: pathOf(512), size: 0 }], "512 bytes of path"],
    ["a file of 8 GiB", [{ path: "a", size: 8 * 1024 ** 3 }], "a tar header holds at most 8589934591"],
    [
      "a file that is a directory",
      [
        { path: "a", size: 0 },
        { path: "a/b", size: 0 },
      ],
      "a: both a file and the directory of a/b",
    ],
    [
      "two of one name",
      [
        { path: "a", size: 0 },
        { path: "a", size: 1 },
      ],
      "a: listed twice",
    ],
    ["the empty name", [{ path: "", size: 0 }], "the empty path"],
    ["a leading slash", [{ path: "/a", size: 0 }], "an empty segment"],
    ["a doubled slash", [{ path: "a//b", size: 0 }], "an empty segment"],
    ["a segment of one dot", [{ path: "a/./b", size: 0 }], 'a "." segment'],
    ["a segment of two dots", [{ path: "../a", size: 0 }], 'a ".." segment'],
    ["a NUL", [{ path: "a\0b", size: 0 }], "a control character"],
    ["a line break", [{ path: "a\nb", size: 0 }], "a control character"],
    ["half a surrogate pair", [{ path: "a\ud800", size: 0 }], "not valid Unicode"],
  ];
  for (const [name, tree, text] of refused) it(name, () => assert.throws(() => tar.layout(tree), refusal(text)));

  it("everything at once", () => {
    const tree = [
      { path: "../x", size: 0 },
      { path: "big", size: 2 ** 40 },
      { path: pathOf(600), size: 0 },
    ];
    assert.throws(
      () => tar.layout(tree),
      (error) => error instanceof DeployError && error.problems.length === 3,
    );
  });
});

describe("damaged images", () => {
  const good = imageOf(tar, { "a.txt": "a", [pathOf(300)]: "long", "z/z": Buffer.alloc(700, 7) });
  const list = (image: Uint8Array) => [...listTar(bytesSource(image))];

  it("never give anything but a list or IMAGE_INVALID", () => {
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.nat(good.length),
        fc.boolean(),
        (changes, cut, fix) => {
          const image = Buffer.from(good.subarray(0, fix ? good.length : cut));
          for (const { at, to } of changes) if (at < image.length) image[at] = to;
          if (fix) fixChecksums(image);
          onlyImageInvalid(() => list(image));
        },
      ),
      { numRuns: fuzzRuns(2000) },
    );
  });

  it("never give anything but a list or IMAGE_INVALID where the bytes are no tar at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => onlyImageInvalid(() => list(bytes))),
      { numRuns: fuzzRuns(500) },
    );
  });

  const cases: readonly (readonly [string, (image: Buffer) => Buffer, RegExp])[] = [
    ["cut off", (image) => image.subarray(0, 1024), /ends without two blocks of zeros/],
    [
      "one block of zeros at the end",
      (image) => image.subarray(0, endOf(image) + 512),
      /ends after one block of zeros/,
    ],
    ["a wrong checksum", (image) => edit(image, 0, "b"), /header checksum/],
    ["a size beyond the end", (image) => fixed(edit(image, 124, "77777777777\0")), /bytes announced/],
    [
      "a size that is no number",
      (image) => fixed(edit(image, 124, "00000000x01\0")),
      /size "00000000x01" is not octal/,
    ],
    ["a size in base 256", (image) => fixed(edit(image, 124, "\x80\0\0\0\0\0\0\0\0\0\0\x01")), /is not octal/],
    ["a link", (image) => fixed(edit(image, 156, "2")), /member type "2" is not a file/],
    ["a device", (image) => fixed(edit(image, 156, "3")), /member type "3" is not a file/],
    ["a name that climbs", (image) => fixed(edit(image, 0, "../a\0")), /"\.\." segment/],
    ["a name that is not UTF-8", (image) => fixed(edit(image, 0, "\xff\0")), /not UTF-8/],
    ["a damaged pax record", (image) => fixed(edit(image, 156, "x")), /a damaged pax record/],
  ];
  for (const [name, damage, message] of cases) {
    it(name, () => {
      assert.throws(
        () => list(damage(Buffer.from(good))),
        (error) => error instanceof DeployError && error.code === "IMAGE_INVALID" && message.test(error.message),
      );
    });
  }

  it("two files of one name, and a file that is also a directory", () => {
    const twice = Buffer.concat([good.subarray(0, 1024), good]);
    const inside = fixed(edit(Buffer.concat([good.subarray(0, 1024), good]), 1024, "a.txt/b\0"));
    for (const image of [twice, inside]) {
      assert.throws(
        () => list(image),
        (error) => error instanceof DeployError && error.code === "IMAGE_INVALID" && error.message.includes("a.txt"),
      );
    }
  });
});

const endOf = (image: Buffer) =>
  image.findLastIndex((byte) => byte !== 0) - (image.findLastIndex((byte) => byte !== 0) % 512) + 512;

function edit(image: Buffer, at: number, latin1: string): Buffer {
  image.write(latin1, at, "latin1");
  return image;
}

function fixed(image: Buffer): Buffer {
  fixChecksums(image);
  return image;
}

/** Makes every header right again, so that the damage is seen and not the checksum. */
function fixChecksums(image: Buffer): void {
  for (let at = 0; at + 512 <= image.length; at += 512) {
    if (image.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    image.write("        ", at + 148, "latin1");
    let sum = 0;
    for (const byte of image.subarray(at, at + 512)) sum += byte;
    image.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
}

function onlyImageInvalid(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof DeployError) || error.code !== "IMAGE_INVALID") throw error;
  }
}
