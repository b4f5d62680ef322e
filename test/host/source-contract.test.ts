/** What a host may rely on wherever it follows releases: a git repository or a registry. One suite, run over each. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import type { Fault } from "../support/faults.ts";
import { gitServer } from "../support/git-server.ts";
import { git, output, type Ran } from "../support/process.ts";
import { noRegistry, startRegistry } from "../support/registry.ts";
import { type Hosting, hosting, VIRTIO } from "./hosting.ts";
import { publish } from "./publishing.ts";
import { type Change, commit, sign, syncIn } from "./tampering.ts";

/** Somewhere that releases come from. */
interface World extends AsyncDisposable {
  readonly host: Hosting;
  /** Offers what `main` of the deployment repository holds; the revision that hosts are to see. */
  offer(): Promise<string>;
  /** Breaks every answer with a status, or the next large one off; undefined ends that. */
  breaks(fault: Fault | undefined): void;
  /** Bytes that were sent to hosts since the last time this was asked. */
  moved(): number;
}

const HOST = { kernel: VIRTIO, target: "virtio" } as const;

async function gitWorld(): Promise<World> {
  const server = await gitServer({ token: "token", anonymousRead: true });
  const address = () => server.repositoryUrl("deployment");
  const host = await hosting({ ...HOST, repositories: server.root, address });
  return {
    host,
    offer: () => git(host.repository, "rev-parse", "main"),
    breaks(fault) {
      server.fault = fault && (() => fault);
    },
    moved() {
      const { bytesOut } = server.totals();
      server.reset();
      return bytesOut;
    },
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function registryWorld(): Promise<World> {
  const registry = await startRegistry();
  const host = await hosting({ ...HOST, address: () => registry.address("www") });
  return {
    host,
    async offer() {
      const fault = registry.fault;
      registry.fault = undefined;
      const digest = await publish(host.repository, registry.address("www"));
      registry.fault = fault;
      registry.reset();
      return digest;
    },
    breaks(fault) {
      let cut = false;
      registry.fault = ({ method }) => {
        if (!fault || "status" in fault) return fault;
        if (cut || method !== "GET") return undefined;
        cut = true;
        return fault;
      };
    },
    moved() {
      const moved = registry.requests.reduce((sum, { bytesOut }) => sum + bytesOut, 0);
      registry.reset();
      return moved;
    },
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

const WORLDS = [
  ["git", gitWorld, false],
  ["an OCI registry", registryWorld, noRegistry],
] as const;

const current = (host: Hosting, state = "state") => readlinkSync(host.directory.join(state, "current"));

function code(ran: Ran, expected: number, what: RegExp = /(?:)/): void {
  assert.equal(ran.code, expected, ran.stderr);
  assert.match(ran.stderr, what);
}

/** 400 kB that no compression makes small. */
function noise(seed: number): string {
  let x = seed;
  const next = () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    return String.fromCharCode(33 + ((x >>> 16) % 90));
  };
  return Array.from({ length: 400_000 }, next).join("");
}

function bytesBelow(directory: string): number {
  if (!existsSync(directory)) return 0;
  return Number(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + readFileSync(path.join(entry.parentPath, entry.name)).length, 0),
  );
}

for (const [name, makeWorld, skip] of WORLDS) {
  describe(`releases from ${name}`, { skip }, () => {
    test("are laid out as deployed, once; then only what is new is fetched, and the old is dropped", async () => {
      await using world = await makeWorld();
      const { host } = world;
      await host.configure("");
      code(await host.host("sync"), 3, /RELEASE_MISSING/);
      await host.deploy({ "index.html": "one\n", "large.bin": noise(1) });
      world.moved();
      const revision = await world.offer();
      const first = await host.host("sync", "--json");
      code(first, 0);
      const answer = JSON.parse(first.stdout) as { outcome: string; revision: string; release: string };
      assert.deepEqual([answer.outcome, answer.revision], ["updated", revision]);
      const manifest = JSON.parse(await git(host.repository, "show", "main:manifest.json")) as {
        volumes: { sha256: string }[];
      };
      const image = await readFile(path.join(answer.release, "volumes/data.img"));
      assert.equal(createHash("sha256").update(image).digest("hex"), manifest.volumes[0]?.sha256);
      world.moved();
      const again = JSON.parse((await host.host("sync", "--json")).stdout) as { outcome: string };
      assert.equal(again.outcome, "current");
      assert.ok(world.moved() < 20_000);
      for (const page of ["two", "three", "four"]) {
        await host.deploy({ "index.html": `${page}\n` });
        await world.offer();
        assert.equal(await syncIn(host, "state"), 0);
      }
      assert.equal(readdirSync(path.join(host.state, "releases")).length, 3);
      const kept = bytesBelow(path.join(host.state, "mirror")) + bytesBelow(path.join(host.state, "blobs"));
      assert.ok(kept < 4_000_000, `${kept} bytes kept`);
    });

    test("are refused where anything is not what was deployed and signed; the current one stays", async () => {
      await using world = await makeWorld();
      const { host } = world;
      const key = (file: string) => host.directory.join(file);
      for (const file of ["good", "other"])
        await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", file, "-f", key(file)]);
      await writeFile(key("allowed"), `deploy ${await readFile(key("good.pub"), "utf8")}`);
      await host.configure("allowed-signers: allowed\n");
      const signed = { more: ["--signing-key", key("good")] };
      await host.deploy({ "index.html": "one\n" }, signed);
      const first = await git(host.repository, "rev-parse", "main");
      await world.offer();
      code(await host.host("sync"), 0);
      const before = current(host);
      await host.deploy({ "index.html": "two\n" }, signed);
      const tip = await git(host.repository, "rev-parse", "main");
      const manifest = Buffer.from(`${await git(host.repository, "show", "main:manifest.json")}\n`);
      const wrong = { content: Buffer.from("something else\n") };
      const changes: Readonly<Record<string, Change>> = {
        "another kernel": { "kernels/www.virtio": wrong },
        "another image": { "volumes/data.img": wrong },
        "another launch file": { "launch/www.virtio.sh": wrong },
        "a missing image": { "volumes/data.img": null },
        "a missing sum": { SHA256SUMS: null },
        "no signature": { "manifest.json.sig": null },
        "another signer": { "manifest.json.sig": { content: sign(manifest, key("other")) } },
        "another manifest": { "manifest.json": wrong },
        "a signed manifest of no kind": {
          "manifest.json": wrong,
          "manifest.json.sig": { content: sign(wrong.content, key("good")) },
        },
      };
      for (const [what, change] of Object.entries(changes)) {
        await commit(host.repository, tip, change);
        await world.offer();
        assert.equal(await syncIn(host, "state"), 4, what);
        assert.equal(current(host), before, what);
      }
      await git(host.repository, "update-ref", "refs/heads/main", tip);
      await world.offer();
      code(await host.host("sync"), 0);
      const newest = current(host);
      assert.notEqual(newest, before);
      await git(host.repository, "update-ref", "refs/heads/main", first);
      await world.offer();
      code(await host.host("sync"), 4, /DOWNGRADE/);
      assert.equal(current(host), newest);
      code(await host.host("sync", "--allow-downgrade"), 0);
      assert.equal(current(host), before);
    });

    test("come whole in the end, whatever breaks off meanwhile", async () => {
      await using world = await makeWorld();
      const { host } = world;
      await host.configure("");
      await host.deploy({ "index.html": "one\n" });
      await world.offer();
      code(await host.host("sync"), 0);
      const before = current(host);
      await host.deploy({ "index.html": "two\n", "large.bin": noise(2) });
      await world.offer();
      world.breaks({ status: 403 });
      code(await host.host("sync"), 3);
      assert.equal(current(host), before);
      // A registry is asked for the rest; git begins anew at the next look.
      world.breaks({ cutAfterBytes: 200, direction: "response" });
      const cut = await host.host("sync");
      if (cut.code !== 0) assert.deepEqual([cut.code, current(host)], [3, before], cut.stderr);
      world.breaks(undefined);
      code(await host.host("sync"), 0);
      assert.notEqual(current(host), before);
      for (const kept of ["mirror", "blobs"]) rmSync(path.join(host.state, kept), { recursive: true, force: true });
      code(await host.host("sync"), 0);
    });

    test("are told of when they stop coming", async () => {
      await using world = await makeWorld();
      const { host } = world;
      await host.configure("max-age: 1s\n");
      await host.deploy({ "index.html": "one\n" });
      await world.offer();
      code(await host.host("sync"), 0);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      code(await host.host("sync"), 0, /nothing new for/);
    });
  });
}
