/** A release on the host's disk that is damaged is named, and the others are served as ever. */
import assert from "node:assert/strict";
import { chmodSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { hosting, VIRTIO } from "./hosting.ts";

test("host status and host rollback go on past an old manifest that is damaged, and name it", async () => {
  await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
  await host.configure("");
  const releases = [];
  for (const n of [1, 2, 3]) {
    releases.push(await host.deploy({ "index.html": `${n}\n` }));
    assert.equal((await host.host("sync")).code, 0);
  }
  const [one, two, three] = releases.map(({ release }) => release) as [string, string, string];
  const manifest = path.join(host.state, "releases", one, "manifest.json");
  chmodSync(manifest, 0o644);
  writeFileSync(manifest, '{"type": ');
  const status = await host.status();
  assert.deepEqual(
    status.releases.map(({ release, problem }) => [release, problem === null]),
    [
      [three, true],
      [two, true],
      [one, false],
    ],
  );
  assert.match((await host.host("status")).stdout, new RegExp(`${one} .*DAMAGED: .*not JSON`));
  const toDamaged = await host.host("rollback", "--to", one);
  assert.equal(toDamaged.code, 3, toDamaged.stderr);
  assert.match(toDamaged.stderr, new RegExp(`${one} is damaged on this host`));
  const back = await host.host("rollback", "--to", releases[1]?.commit.slice(0, 20) ?? "");
  assert.equal(back.code, 0, back.stderr);
  assert.equal(path.basename(readlinkSync(path.join(host.state, "current"))), two);
});
