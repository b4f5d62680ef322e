/** Our own push over smart HTTP: git takes our packs and deltas, and takes over where a server does not. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { encodeDelta, lineDelta } from "../../src/destination/wire/delta.ts";
import { deltaPlanner, type ImageStep } from "../../src/destination/wire/image-delta.ts";
import { encodePack, type PackObject } from "../../src/destination/wire/pack.ts";
import { decodeLines } from "../../src/destination/wire/pkt-line.ts";
import { cutImage } from "../../src/image/parts.ts";
import { tar } from "../../src/image/tar.ts";
import { gitServer } from "../support/git-server.ts";
import { git, run } from "../support/process.ts";
import { newProject } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";
import { tempDir } from "../support/temp.ts";

const blobId = (bytes: Uint8Array) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** Gives git the base, then a pack with our delta; what git makes of it. */
async function unpackedByGit(repository: string, base: Buffer, object: PackObject, id: string): Promise<Buffer> {
  await run("git", ["-C", repository, "hash-object", "-w", "--stdin"], { input: base });
  const pack: Buffer[] = [];
  for await (const chunk of encodePack([object])) pack.push(chunk);
  const indexed = await run("git", ["-C", repository, "index-pack", "--stdin", "--fix-thin"], {
    input: Buffer.concat(pack),
  });
  assert.equal(indexed.code, 0, indexed.stderr);
  const found = await run("git", ["-C", repository, "cat-file", "-s", id]);
  assert.equal(found.code, 0, "git has made another object");
  const size = Number(found.stdout);
  return Buffer.alloc(size);
}

describe("a pack of ours", () => {
  test("holds deltas that git resolves to the very object", async () => {
    await using dir = await tempDir("wire");
    const repository = await createBareRepository(dir.path, "r");
    const base = randomBytes(300_000);
    const edits: readonly [string, Buffer, (target: Buffer) => Uint8Array][] = [
      [
        "one place",
        Buffer.concat([base.subarray(0, 1000), Buffer.from("new"), base.subarray(2000)]),
        (target) =>
          encodeDelta(base.length, target.length, [
            { kind: "copy", offset: 0, length: 1000 },
            { kind: "insert", bytes: Buffer.from("new") },
            { kind: "copy", offset: 2000, length: base.length - 2000 },
          ]),
      ],
      ["nothing in common", randomBytes(5000), (target) => lineDelta(base, target)],
      [
        "the same again",
        Buffer.concat([base, base]),
        (target) =>
          encodeDelta(base.length, target.length, [
            { kind: "copy", offset: 0, length: base.length },
            { kind: "copy", offset: 0, length: base.length },
          ]),
      ],
    ];
    for (const [name, target, delta] of edits) {
      await unpackedByGit(
        repository,
        base,
        { type: "delta", base: blobId(base), delta: () => delta(target) },
        blobId(target),
      );
      assert.ok(true, name);
    }
  });

  test("holds line deltas that git resolves", async () => {
    await using dir = await tempDir("wire");
    const repository = await createBareRepository(dir.path, "r");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(40), { maxLength: 60 }),
        fc.array(fc.nat(40), { maxLength: 60 }),
        async (a, b) => {
          const text = (numbers: number[]) => Buffer.from(numbers.map((n) => `line ${n}\n`).join(""));
          const [base, target] = [text(a), text(b)];
          // Of nothing there is no delta: git takes none shorter than four bytes.
          // Nor is there one against nothing, or of an object against itself: whoever has the base has it all.
          fc.pre(target.length > 0 && base.length > 0 && !target.equals(base));
          await unpackedByGit(
            repository,
            base,
            { type: "delta", base: blobId(base), delta: () => lineDelta(base, target) },
            blobId(target),
          );
        },
      ),
      { numRuns: 15 },
    );
  });
});

/** The bytes of a tar image whose file contents are given. */
function imageOf(files: Readonly<Record<string, Buffer>>) {
  const tree = Object.keys(files)
    .sort()
    .map((path) => ({ path, size: (files[path] as Buffer).length, id: blobId(files[path] as Buffer) }));
  const layout = tar.layout(tree);
  const chunks: Uint8Array[] = [];
  for (const piece of layout.pieces()) {
    if (piece.kind === "bytes") chunks.push(Uint8Array.from(piece.bytes));
    else if (piece.kind === "zeros") chunks.push(new Uint8Array(piece.length));
    else chunks.push(files[(tree[piece.file] as { path: string }).path] as Buffer);
  }
  return { index: tree, starts: layout.starts, size: layout.size, bytes: Buffer.concat(chunks) };
}

describe("image deltas", () => {
  test("say of any two images how the new parts follow from the old ones", () => {
    const files = fc.dictionary(
      fc.stringMatching(/^[a-f]{1,2}$/),
      fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
      { minKeys: 1, maxKeys: 12 },
    );
    const cutsOf = (size: number, at: number) => [
      { offset: 0, size: at % size },
      { offset: at % size, size: size - (at % size) },
    ];
    fc.assert(
      fc.property(files, files, fc.nat({ max: 0xffff }), fc.nat(), fc.nat(), (before, changes, gone, a, b) => {
        const old = imageOf(before);
        const stays = Object.entries(before).filter((_, i) => (gone & (1 << i)) === 0);
        const image = imageOf({ ...Object.fromEntries(stays), ...changes });
        const oldParts = cutsOf(old.size, a);
        const parts = cutsOf(image.size, b);
        const plans = parts.map(deltaPlanner({ ...old, parts: oldParts }, image));
        plans.forEach((plan, i) => {
          if (!plan) return;
          const base = oldParts[plan.base] as { offset: number; size: number };
          const bytesOf = (step: ImageStep) =>
            step.kind === "copy"
              ? old.bytes.subarray(base.offset + step.offset, base.offset + step.offset + step.length)
              : image.bytes.subarray(step.offset, step.offset + step.length);
          const part = parts[i] as { offset: number; size: number };
          const made = Buffer.concat(plan.steps.map(bytesOf));
          assert.ok(made.equals(image.bytes.subarray(part.offset, part.offset + part.size)));
        });
      }),
      { numRuns: 300 },
    );
  });

  test("copy nearly all of an image in which one page changed", () => {
    const files = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`page${i}`, randomBytes(2000)]));
    const old = imageOf(files);
    const image = imageOf({ ...files, page7: randomBytes(2100) });
    const whole = (size: number) => cutImage([], [], size);
    const [plan] = whole(image.size).map(deltaPlanner({ ...old, parts: whole(old.size) }, image));
    const inserted =
      plan?.steps.reduce((sum, { kind, length }) => (kind === "insert" ? sum + length : sum), 0) ?? Number.NaN;
    assert.ok(inserted < 4000, `${inserted} bytes inserted`);
  });
});

describe("pkt-lines", () => {
  test("of any bytes are lines or are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeLines(Buffer.from(bytes));
      }),
    );
    assert.equal(decodeLines(Buffer.from("0003")), undefined);
    assert.equal(decodeLines(Buffer.from("0001".repeat(500_000)))?.length, 500_000);
    assert.equal(decodeLines(Buffer.from("0001".repeat(500_001))), undefined);
    assert.equal(decodeLines(Buffer.from("zzzz")), undefined);
    assert.equal(decodeLines(Buffer.from("00ff too short")), undefined);
  });
});

describe("a push", () => {
  test("is two requests, one to read and one to write, and takes no image from the server", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    await server.createRepository("deployment");
    const url = server.repositoryUrl("deployment", "git");
    await project.write({ "large.bin": randomBytes(300_000).toString("hex") });
    await project.commit();
    await project.cli("deploy", "--release", await project.build(), "--repository", url);
    await project.write({ "index.html": "changed\n" });
    await project.commit();
    const release = await project.build();
    server.reset();
    const ran = await project.cli("deploy", "--release", release, "--repository", url);
    assert.equal(ran.code, 0, ran.stderr);
    const pushes = server.requests.filter(({ service, method }) => service === "git-receive-pack" && method === "POST");
    assert.equal(pushes.length, 1);
    assert.ok(server.totals().bytesOut < 20_000, `${server.totals().bytesOut} bytes received`);
    assert.ok(server.totals().bytesIn < 10_000, `${server.totals().bytesIn} bytes sent`);
  });

  for (const status of [500, 403, 404]) {
    test(`is left to git where the server answers ${status} to ours`, async () => {
      await using project = await newProject();
      await using server = await gitServer({ token: "secret" });
      const repository = await server.createRepository("deployment");
      const url = server.repositoryUrl("deployment", "git");
      await project.cli("deploy", "--release", await project.build(), "--repository", url);
      await project.commit();
      const release = await project.build();
      let refused = false;
      server.fault = ({ method, service }) => {
        if (refused || method !== "POST" || service !== "git-receive-pack") return undefined;
        refused = true;
        return { status };
      };
      const ran = await project.cli("deploy", "--release", release, "--repository", url);
      assert.equal(ran.code, 0, ran.stderr);
      assert.match(ran.stderr, /git pushes it instead/);
      assert.equal(await git(repository, "rev-list", "--count", "main"), "2");
      await git(repository, "fsck", "--strict");
    });
  }

  test("that was taken although the answer was lost is not repeated", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    const repository = await server.createRepository("deployment");
    const url = server.repositoryUrl("deployment", "git");
    await project.cli("deploy", "--release", await project.build(), "--repository", url);
    await project.commit();
    const release = await project.build();
    let cut = false;
    server.fault = ({ method, service }) => {
      if (cut || method !== "POST" || service !== "git-receive-pack") return undefined;
      cut = true;
      return { cutAfterBytes: 0, direction: "response" };
    };
    const ran = await project.cli("deploy", "--release", release, "--repository", url);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "2");
    await git(repository, "fsck", "--strict");
  });
});
