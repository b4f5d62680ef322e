/** The release manifest: what is written is read back, what is unknown is kept, what is wrong is named. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DeployError } from "../../src/errors.ts";
import { encodeManifest, namedFiles, parseManifest } from "../../src/manifest/manifest.ts";
import { fc, fuzzRuns } from "../support/fuzz.ts";
import type { Json } from "../support/site.ts";

const SHA = "0123456789abcdef".repeat(4);
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** Every field there is, and in every object one that this version does not know. */
const FULL = {
  type: "unikernel-deploy.release",
  version: 1,
  name: "www",
  sequence: 42,
  source: {
    repository: "https://example.org/mirage/www",
    commit: COMMIT,
    ref: "refs/heads/main",
    committedAt: "2026-11-23T00:00:00Z",
    run: "https://example.org/run/1",
    later: { a: [1, null, "x"] },
  },
  kernels: [
    {
      target: "hvt",
      arch: "x86_64",
      abiVersion: 2,
      path: "kernels/www.hvt",
      size: 10,
      sha256: SHA,
      devices: [{ name: "storage", type: "block", later: true }],
      later: 1,
    },
  ],
  volumes: [
    {
      name: "data",
      device: "storage",
      format: "tar",
      size: 8192,
      sha256: SHA,
      files: 2,
      bytes: 3,
      layout: "image",
      index: { path: "volumes/data.index", sha256: SHA, later: 1 },
      parts: [
        { path: "volumes/data.img.parts/0000", size: 4096, sha256: SHA, later: 1 },
        { path: "volumes/data.img.parts/0001", size: 4096, sha256: SHA },
      ],
      later: [],
    },
    { name: "tls", device: "tls", secret: true, format: "fat", later: "x" },
  ],
  files: [{ path: "SHA256SUMS", sha256: SHA, later: 0 }],
  launch: { memory: 64, args: ["--ipv4=10.0.0.2/24"], later: {} },
  tools: { "unikernel-deploy": "0.1.0" },
  health: [{ path: "/", sha256: SHA }],
  later: { deep: [{ deeper: [] }] },
};

const full = (): typeof FULL => structuredClone(FULL);

/** The problems of a document; fails if there are none. */
function problemsOf(document: unknown): readonly string[] {
  try {
    parseManifest(JSON.stringify(document), "manifest.json");
  } catch (error) {
    assert.ok(error instanceof DeployError && error.code === "MANIFEST_INVALID", String(error));
    assert.ok(error.message.startsWith("manifest.json is not"));
    return error.problems;
  }
  return assert.fail("it was accepted");
}

describe("the manifest", () => {
  it("keeps what this version does not know, in its place and byte for byte", () => {
    const text = `${JSON.stringify(FULL, null, 2)}\n`;
    assert.deepEqual(parseManifest(text, "manifest.json"), FULL);
    assert.deepEqual(JSON.parse(encodeManifest(parseManifest(text, "manifest.json"))), FULL);
    const again = encodeManifest(parseManifest(encodeManifest(parseManifest(text, "")), ""));
    assert.equal(again, encodeManifest(parseManifest(text, "")));
  });

  it("names every file it vouches for", () => {
    const paths = namedFiles(parseManifest(JSON.stringify(FULL), "")).map(({ path }) => path);
    assert.deepEqual(paths.toSorted(), [
      "SHA256SUMS",
      "kernels/www.hvt",
      "volumes/data.img.parts/0000",
      "volumes/data.img.parts/0001",
      "volumes/data.index",
    ]);
  });

  const wrong: readonly (readonly [string, (m: Json) => unknown, string])[] = [
    ["another type", (m) => void (m.type = "solo5.manifest"), "type: "],
    ["a later version", (m) => void (m.version = 2), "version: expected 1, found 2"],
    ["a name for a shell", (m) => void (m.name = "a;b"), "name: "],
    ["sequence 0", (m) => void (m.sequence = 0), "sequence: expected 1 or more"],
    ["a short commit", (m) => void (m.source.commit = "abc"), "source.commit: "],
    ["a local time", (m) => void (m.source.committedAt = "2026-11-23 00:00"), "source.committedAt: "],
    ["no source", (m) => void delete m.source, "source: missing"],
    ["no kernel", (m) => void (m.kernels = []), "kernels: expected at least one kernel"],
    ["a target that is none", (m) => void (m.kernels[0].target = "vmware"), "kernels[0].target: "],
    ["an absolute path", (m) => void (m.kernels[0].path = "/etc/passwd"), "kernels[0].path: "],
    ["a kernel elsewhere", (m) => void (m.kernels[0].path = "volumes/www.hvt"), "kernels[0].path: "],
    ["a kernel's name for a shell", (m) => void (m.kernels[0].path = "kernels/$(id)"), "kernels[0].path: "],
    ["a kernel's name that is a flag", (m) => void (m.kernels[0].path = "kernels/-rf"), "kernels[0].path: "],
    ["half a byte", (m) => void (m.kernels[0].size = 0.5), "kernels[0].size: "],
    ["a size in words", (m) => void (m.kernels[0].size = "10"), "kernels[0].size: expected a number"],
    ["a digest in capitals", (m) => void (m.kernels[0].sha256 = SHA.toUpperCase()), "kernels[0].sha256: "],
    [
      "64 devices",
      (m) => void (m.kernels[0].devices = Array(64).fill(m.kernels[0].devices[0])),
      "kernels[0].devices: ",
    ],
    ["a device that is neither", (m) => void (m.kernels[0].devices[0].type = "usb"), "kernels[0].devices[0].type: "],
    ["a volume's name that climbs", (m) => void (m.volumes[0].name = "../x"), "volumes[0].name: "],
    ["a part that climbs", (m) => void (m.volumes[0].parts[1].path = "a/../../b"), "volumes[0].parts[1].path: "],
    ["a backslash", (m) => void (m.volumes[0].index.path = "a\\..\\b"), "volumes[0].index.path: "],
    ["a dot segment", (m) => void (m.files[0].path = "./SHA256SUMS"), "files[0].path: "],
    ["a path that ends in a slash", (m) => void (m.files[0].path = "launch/"), "files[0].path: "],
    ["a path with a line break", (m) => void (m.files[0].path = "a\nb"), "files[0].path: "],
    ["two volumes of one name", (m) => void (m.volumes[1].name = "data"), 'volumes: "data" stands twice'],
    [
      "two kernels for one target",
      (m) => m.kernels.push({ ...m.kernels[0], path: "kernels/b" }),
      'kernels: "hvt for x86_64" stands twice',
    ],
    ["two files of one path", (m) => m.files.push(m.files[0]), 'paths: "SHA256SUMS" stands twice'],
    [
      "a file below a file",
      (m) => m.files.push({ path: "SHA256SUMS/a/b", sha256: SHA }),
      "paths: SHA256SUMS: both a file and",
    ],
    [
      "parts that do not add up",
      (m) => void (m.volumes[0].parts[0].size = 1),
      "volumes: data: 2 parts add up to 4097 bytes, not 8192",
    ],
    ["memory of nothing", (m) => void (m.launch.memory = 0), "launch.memory: "],
    ["65 deep", (m) => void (m.later = nested(65)), "values are nested more than 64 deep"],
  ];
  for (const [name, change, problem] of wrong) {
    it(`refuses ${name}`, () => {
      const document = full();
      change(document);
      const problems = problemsOf(document);
      assert.ok(
        problems.some((text) => text.startsWith(problem)),
        problems.join("\n"),
      );
    });
  }

  it("lists all mistakes at once", () => {
    const document = full();
    document.name = "";
    document.source.commit = "";
    document.launch.memory = -1;
    assert.equal(problemsOf(document).length, 3);
  });

  it("that is large is left at its first mistake", () => {
    const text = JSON.stringify(FULL).replace('"kernels":[', `"kernels":[${"0,".repeat(500_000)}`);
    assert.deepEqual(problemsOf(JSON.parse(text)).length, 1);
  });

  it("that is nested beyond the stack is refused like any other", () => {
    const text = JSON.stringify(FULL).replace("{", `{"x":${"[".repeat(500_000)}${"]".repeat(500_000)},`);
    assert.throws(
      () => parseManifest(text, "manifest.json"),
      (error) => error instanceof DeployError && error.code === "MANIFEST_INVALID",
    );
  });

  it("is nothing else that JSON can say, nor what it cannot", () => {
    for (const text of ["", "null", "[]", "1", '"x"', "{", "{}", "\ufeff{}", "{'a': 1}"]) {
      assert.throws(
        () => parseManifest(text, "manifest.json"),
        (error) => error instanceof DeployError && error.code === "MANIFEST_INVALID" && error.problems.length > 0,
        text,
      );
    }
  });

  it("changed anywhere is a manifest or MANIFEST_INVALID", () => {
    const pointers = pointersOf(FULL);
    fc.assert(
      fc.property(fc.constantFrom(...pointers), fc.jsonValue(), fc.boolean(), (pointer, value, remove) => {
        const document = full();
        change(document, pointer, value, remove);
        try {
          encodeManifest(parseManifest(JSON.stringify(document), "manifest.json"));
        } catch (error) {
          assert.ok(error instanceof DeployError && error.code === "MANIFEST_INVALID", String(error));
          assert.ok(error.problems.length > 0);
        }
      }),
      { numRuns: fuzzRuns(1500) },
    );
  });

  it("with bytes changed is a manifest or MANIFEST_INVALID", () => {
    const good = Buffer.from(JSON.stringify(FULL));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const bytes = Buffer.from(good);
        for (const [at, to] of changes) bytes[at] = to;
        try {
          parseManifest(bytes, "manifest.json");
        } catch (error) {
          assert.ok(error instanceof DeployError && error.code === "MANIFEST_INVALID", String(error));
        }
      }),
      { numRuns: fuzzRuns(1000) },
    );
  });
});

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

type Pointer = readonly (string | number)[];

function pointersOf(value: unknown, at: Pointer = []): Pointer[] {
  if (typeof value !== "object" || value === null) return at.length > 0 ? [at] : [];
  const inner = Array.isArray(value)
    ? value.flatMap((item, i) => pointersOf(item, [...at, i]))
    : Object.entries(value).flatMap(([key, item]) => pointersOf(item, [...at, key]));
  return at.length > 0 ? [at, ...inner] : inner;
}

function change(document: Json, pointer: Pointer, value: unknown, remove: boolean): void {
  const parent = pointer.slice(0, -1).reduce((so, key) => so[key], document);
  const last = pointer.at(-1) as string | number;
  if (!remove) parent[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
}
