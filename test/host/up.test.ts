/**
 * A host from repository to served page: a release is followed, launched, probed; a bad one is gone back from; an operator
 * goes back and forth. Real git over HTTP, a real kernel in qemu under emulation.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { gitServer } from "../support/git-server.ts";
import { freePort, hosting, page, VIRTIO } from "./hosting.ts";

const missing = spawnSync("qemu-system-x86_64", ["--version"]).error ? "qemu-system-x86_64 is not installed" : false;

describe("host up", { skip: missing }, () => {
  test("serves, follows, goes back by itself, goes back as told", async (t) => {
    await using server = await gitServer({ token: "secret", anonymousRead: true });
    await using host = await hosting({
      kernel: VIRTIO,
      target: "virtio",
      layout: "files",
      repositories: server.root,
      address: () => server.repositoryUrl("deployment"),
    });
    const port = await freePort();
    await host.configure(
      `launch: {forward: ["${port}:80"]}\nhealth: {url: "http://127.0.0.1:${port}/", timeout: 5s}\npoll: 1s\n`,
    );
    const one = await host.deploy({ "index.html": "one\n", "other.html": "other\n" });
    const up = host.up();
    await using _up = up;
    await up.line(new RegExp(`release ${one.release}: launched \\(qemu`));
    await up.line(/healthy: status 200, and the page of this release/);
    await up.line(/current\n/);
    assert.equal(await page(port), "one\n");

    const two = await host.deploy({ "index.html": "two\n" });
    const pushed = performance.now();
    const healthy = await up.line(new RegExp(`release ${two.release}: healthy.*`));
    t.diagnostic(`served ${Math.round(performance.now() - pushed)} ms after the push; ${healthy}`);
    assert.match(healthy, /the site was down for [\d.]+ s/);
    assert.equal(await page(port), "two\n");

    const bad = await host.deploy({ "index.html": "bad\n" }, { args: ["--fault=never-listen"] });
    const told = await up.line(new RegExp(`release ${bad.release}: bad: .*going back to ${two.release}`));
    t.diagnostic(told);
    await up.line(new RegExp(`release ${two.release}: healthy`));
    assert.equal(await page(port), "two\n");
    let status = await host.status();
    assert.equal(status.current, two.release);
    assert.equal(status.rollback, one.release);
    assert.deepEqual(
      status.bad.map(({ release }) => release),
      [bad.release],
    );
    assert.match(
      status.bad[0]?.reason ?? "",
      /not healthy within 5.00 s: .*its last line was: fault: not going to listen/,
    );
    assert.equal(status.guest?.release, two.release);

    const back = await host.host("rollback");
    assert.equal(back.code, 0, back.stderr);
    await up.line(new RegExp(`release ${one.release}: healthy`));
    assert.equal(await page(port), "one\n");
    status = await host.status();
    assert.equal(status.current, one.release);
    assert.equal(status.held, two.release);
    assert.equal((await host.host("rollback", "--to", "ffffffffffff")).code, 3);

    const three = await host.deploy({ "index.html": "three\n" });
    await up.line(new RegExp(`release ${three.release}: current`));
    status = await host.status();
    assert.equal(status.held, null);
    assert.equal(status.current, three.release);
    assert.ok(status.checks.poll?.ok && status.checks.change?.ok);
    assert.ok((status.guest?.uptime ?? -1) >= 0 && status.disk.total > 0);
    t.diagnostic((await host.host("status")).stdout);
    assert.equal(await up.stop(), 0);
    assert.equal(await page(port), undefined);
    assert.equal((await host.status()).guest, null);
  });
});
