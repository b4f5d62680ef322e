/** What the verbs of the host say before anything is started: mistakes in host.yml, what would be launched, warnings. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { runCli } from "../support/project.ts";
import { hosting, VIRTIO } from "./hosting.ts";

describe("host.yml", () => {
  test("with a target that is none is exit code 2, and the targets are listed", async () => {
    await using host = await hosting({ kernel: VIRTIO, target: "virtoi" });
    await host.configure("");
    const ran = await host.host("sync");
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, /host\.yml:3.*target: expected .*"hvt".*"virtio".*found "virtoi"/);
  });
});

describe("host up", () => {
  test("--dry-run shows the command line, makes nothing, and warns of a guest that nobody reaches or asks", async () => {
    await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
    await host.configure("launch: {accel: tcg}\n");
    const { release } = await host.deploy({ "index.html": "one\n" }, { args: ["--name=it's"] });
    const ran = await host.host("up", "--dry-run");
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /would be launched:\n\S*qemu-system-x86_64 -accel tcg .*-append '--name=it'\\''s'/);
    assert.ok(ran.stdout.includes(`${host.state}/releases/${release}/volumes/data.img`), ran.stdout);
    assert.match(ran.stderr, /warning: .*no launch\.net.*no health/i);
    assert.deepEqual(readdirSync(`${host.state}/releases`), []);
    const json = JSON.parse((await host.host("up", "--dry-run", "--json")).stdout) as { command: string[] };
    assert.equal(json.command[1], "-accel");
    await host.configure('launch: {accel: tcg, forward: ["8080:80"]}\nhealth: {url: "http://127.0.0.1:8080/"}\n');
    assert.doesNotMatch((await host.host("up", "--dry-run")).stderr, /no health/);
  });
});

describe("help", () => {
  for (const [word, verbs] of [
    ["host", ["sync", "up", "status", "rollback", "resume"]],
    ["image", ["create", "ls", "cat", "extract", "diff", "replace"]],
  ] as const) {
    test(`${word} --help lists its verbs`, async () => {
      const ran = await runCli(process.cwd(), [word, "--help"]);
      assert.equal(ran.code, 0, ran.stderr);
      for (const verb of verbs) assert.match(ran.stdout, new RegExp(`^  ${word} ${verb} `, "m"));
      assert.equal((await runCli(process.cwd(), [word])).code, 2);
    });
  }
});
