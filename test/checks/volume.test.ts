/** Checks of images: each fixture fails its check, and passes it with only the fault removed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { caseCollisions } from "../../src/checks/case-collisions.ts";
import { type Check, type Finding, runChecks } from "../../src/checks/check.ts";
import { fatPortability } from "../../src/checks/fat-portability.ts";
import { tarPortability } from "../../src/checks/tar-portability.ts";
import { volumePadding } from "../../src/checks/volume-padding.ts";
import { volumeReadback } from "../../src/checks/volume-readback.ts";
import type { IndexEntry } from "../../src/image/index-file.ts";
import { tar } from "../../src/image/tar.ts";
import type { VolumeArtifact } from "../../src/artifact/artifact.ts";
import { solo5Kernel } from "../support/elf.ts";
import { buildRelease, type Files, findingsOf, subjectOf } from "../support/release.ts";
import { type MemberSpec, paxRecord, tarImage } from "../support/tar-members.ts";
import { tempDir } from "../support/temp.ts";

const inImage = (check: Check, image: Buffer) => findingsOf(check, { images: { data: image } });
const inSite = (check: Check, site: Files) => findingsOf(check, { sites: { data: site } });
const severitiesOf = (findings: readonly Finding[]) => findings.map(({ severity }) => severity);

/** Runs a check on a release whose volume is changed after it was made. */
async function inChanged(check: Check, site: Files, change: (volume: VolumeArtifact) => VolumeArtifact) {
  await using dir = await tempDir("release");
  const release = await buildRelease(dir.path, { sites: { data: site } });
  return await runChecks([check], subjectOf({ ...release, volumes: release.volumes.map(change) }));
}

describe("volume-readback", () => {
  const site = { "index.html": "hello", "a.txt": "a" };

  it("finds an index that is not what the image holds", async () => {
    const edit = (change: (index: readonly IndexEntry[]) => readonly IndexEntry[]) =>
      inChanged(volumeReadback, site, (volume) => ({ ...volume, index: change(volume.index) }));
    const missing = await edit((index) => index.slice(1));
    assert.match(missing[0]?.message ?? "", /a\.txt is in the image and not in the site/);
    assert.equal(missing[0]?.severity, "error");
    assert.match(
      (await edit((index) => index.map((entry) => ({ ...entry, id: "0".repeat(40) }))))[0]?.message ?? "",
      /has other bytes/,
    );
    assert.deepEqual(await edit((index) => index), []);
  });

  it("finds an image that no reader reads", async () => {
    const image = tarImage({ path: "index.html", content: "hello" });
    const damaged = Buffer.from(image);
    damaged[0] = 0x7a;
    assert.deepEqual(severitiesOf(await inImage(volumeReadback, damaged)), ["error"]);
    assert.deepEqual(await inImage(volumeReadback, image), []);
  });
});

describe("volume-padding", () => {
  const image = tarImage({ path: "index.html", content: "hello" });

  it("wants whole sectors", async () => {
    for (const [size, consequence] of [
      [image.length - 512, /Xen drops/],
      [image.length + 1000, /tenders refuse it/],
    ] as const) {
      const odd = Buffer.alloc(size);
      image.copy(odd);
      const found = await inImage(volumePadding, odd);
      assert.deepEqual(severitiesOf(found), ["error"]);
      assert.match(found[0]?.message ?? "", consequence);
      assert.equal(found[0]?.path, "volumes/data.img");
    }
    assert.match((await inImage(volumePadding, Buffer.alloc(0)))[0]?.message ?? "", /0 bytes/);
    assert.deepEqual(await inImage(volumePadding, image), []);
  });

  it("wants nothing but zeros behind the end", async () => {
    const dirty = Buffer.from(image);
    dirty.write("left over", image.length - 100);
    assert.match(
      (await inImage(volumePadding, dirty))[0]?.message ?? "",
      new RegExp(`from byte ${image.length - 100} on`),
    );
    dirty.fill(0, image.length - 100);
    assert.deepEqual(await inImage(volumePadding, dirty), []);
  });
});

describe("tar-portability", () => {
  const page: MemberSpec = { path: "docs/index.html", content: "hello" };
  const longName = (name: string, end = "\0"): MemberSpec => ({
    path: "././@LongLink",
    type: "L",
    content: `${name}${end}`,
  });
  const name = (length: number) => `docs/${"x".repeat(length - 5)}`;

  const faults: readonly (readonly [string, readonly MemberSpec[], readonly MemberSpec[], RegExp])[] = [
    [
      "an extension above 512 bytes",
      [longName(name(600)), page],
      [longName(name(400)), page],
      /601 bytes; readers end/,
    ],
    [
      "a path in a pax record",
      [{ path: "x", type: "x", content: paxRecord("path", "a.html") }, page],
      [{ path: "x", type: "x", content: paxRecord("mtime", "1") }, page],
      /pax record/,
    ],
    [
      "a long name without NUL",
      [longName(name(200), ""), page],
      [longName(name(200)), page],
      /lose the last character/,
    ],
    [
      "a long name in a record of another name",
      [{ ...longName(name(200)), path: "@LongLink" }, page],
      [longName(name(200)), page],
      /look for \.\/\.\/@LongLink/,
    ],
    [
      "a directory after what is in it",
      [page, { path: "docs/", type: "5" }],
      [{ path: "docs/", type: "5" }, page],
      /empty the directory/,
    ],
    [
      "a directory listed twice",
      [
        { path: "d/", type: "5" },
        { path: "d/", type: "5" },
      ],
      [{ path: "d/", type: "5" }],
      /listed twice/,
    ],
    [
      "a directory without a slash",
      [{ path: "docs", type: "5" }],
      [{ path: "docs/", type: "5" }],
      /without a final "\/"/,
    ],
    ["a file below a file", [{ path: "docs" }, page], [{ path: "docs.txt" }, page], /below docs, which is a file/],
    ["a file in place of a directory", [page, { path: "docs" }], [page, { path: "docs.txt" }], /what is in it is lost/],
    ["a file listed twice", [page, page], [page], /the last one wins/],
    ["a symbolic link", [page, { path: "a", type: "2" }], [page, { path: "a" }], /symbolic link/],
    ["a hard link", [page, { path: "a", type: "1" }], [page, { path: "a" }], /hard link/],
    ["a pipe", [page, { path: "a", type: "6" }], [page, { path: "a" }], /pipe/],
    ["a sparse file", [page, { path: "a", type: "S" }], [page, { path: "a" }], /map of holes/],
    ["an unknown type", [page, { path: "a", type: "Z" }], [page, { path: "a" }], /of type "Z"/],
    ["a dot inside a path", [{ path: "a/./b" }], [{ path: "./a/b" }], /keep as a name/],
    ["two dots in a path", [{ path: "../b" }], [{ path: "b" }], /keep as a name/],
    ["slashes only", [page, { path: "//" }], [page, { path: "./", type: "5" }], /slashes only/],
    [
      "an owner in base 256",
      [{ ...page, header: { 108: Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 1]) } }],
      [page],
      /uid is in base 256/,
    ],
    [
      "a time in base 256",
      [{ ...page, header: { 136: Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]) } }],
      [page],
      /mtime is in base 256/,
    ],
    [
      "a size in base 256",
      [{ ...page, header: { 124: Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]) } }],
      [page],
      /./,
    ],
    ["a mode that is no number", [{ ...page, header: { 100: "rw-r--r\0" } }], [page], /mode is not octal/],
    [
      "an old GNU header with times",
      [{ ...page, header: { 257: "ustar  \0", 345: "14512345670\0" } }],
      [{ ...page, header: { 257: "ustar  \0" } }],
      /take for a directory name/,
    ],
  ];
  for (const [what, faulty, sound, message] of faults) {
    it(`refuses ${what}`, async () => {
      const found = await inImage(tarPortability, tarImage(...faulty));
      assert.ok(found.length > 0);
      assert.ok(found.every(({ severity, path, hint, broken }) => severity === "error" && path && hint && !broken));
      assert.match(found.map((finding) => finding.message).join("\n"), message);
      assert.deepEqual(await inImage(tarPortability, tarImage(...sound)), []);
    });
  }

  it("refuses an archive without its end", async () => {
    const image = tarImage(page);
    const found = await inImage(tarPortability, image.subarray(0, 1024));
    assert.match(found[0]?.message ?? "", /without two blocks of zeros/);
    assert.match((await inImage(tarPortability, image.subarray(0, 1536)))[0]?.message ?? "", /one block of zeros/);
    assert.deepEqual(await inImage(tarPortability, image), []);
  });

  it("passes what our own writer makes, long names included", async () => {
    assert.deepEqual(
      await inSite(tarPortability, {
        [`${"d".repeat(150)}/${"e".repeat(150)}/${"f".repeat(150)}.html`]: "x",
        "é.html": "y",
      }),
      [],
    );
  });
});

/** A FAT volume as far as these checks look at it. */
const onFat = (check: Check, site: Files) =>
  inChanged(check, site, (volume) => ({ ...volume, format: { ...tar, name: "fat" } }));

describe("fat-portability", () => {
  const faults: readonly (readonly [string, string, RegExp])[] = [
    ["été.html", "ete.html", /only ASCII/],
    ["a:b.html", "a-b.html", /has no :/],
    ["docs./index.html", "docs/index.html", /drop a dot/],
    [".GIT", "GIT", /another short name/],
  ];
  for (const [bad, good, message] of faults) {
    it(`refuses ${bad}`, async () => {
      const found = await onFat(fatPortability, { [bad]: "x" });
      assert.deepEqual(severitiesOf(found), ["error"]);
      assert.match(found[0]?.message ?? "", message);
      assert.deepEqual(await onFat(fatPortability, { [good]: "x" }), []);
      assert.deepEqual(await inSite(fatPortability, { [bad]: "x" }), []);
    });
  }

  it("warns of FAT32 for a MirageOS kernel", async () => {
    const kernels = { "www.hvt": solo5Kernel({ devices: [{ name: "data", type: "block" }] }) };
    const volume = async (format: string) => {
      await using dir = await tempDir("release");
      const release = await buildRelease(dir.path, {
        kernels,
        sites: { data: { "A.TXT": "x" } },
        formats: { data: format },
      });
      return await runChecks([fatPortability], subjectOf(release));
    };
    assert.deepEqual(severitiesOf(await volume("fat32")), ["warning"]);
    assert.deepEqual(await volume("fat"), []);
  });
});

describe("case-collisions", () => {
  for (const [pair, apart] of [
    [
      ["README.txt", "readme.txt"],
      ["README.txt", "readme.md"],
    ],
    [
      ["Docs/a.html", "docs/b.html"],
      ["docs/a.html", "docs/b.html"],
    ],
    [
      ["caf\u00e9.html", "cafe\u0301.html"],
      ["caf\u00e9.html", "cafe.html"],
    ],
  ] as const) {
    it(`tells ${pair.join(" from ")}`, async () => {
      const site = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, "x"]));
      assert.deepEqual(severitiesOf(await onFat(caseCollisions, site(pair))), ["error"]);
      assert.deepEqual(severitiesOf(await inSite(caseCollisions, site(pair))), ["note"]);
      assert.deepEqual(await onFat(caseCollisions, site(apart)), []);
      assert.deepEqual(await inSite(caseCollisions, site(apart)), []);
    });
  }
});
