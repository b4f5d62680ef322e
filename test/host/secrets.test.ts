/** Secret volumes reach the guest and nothing else; a changed one restarts it. With the unix tender. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { ROOT } from "../support/project.ts";
import { tempDir } from "../support/temp.ts";
import { freePort, hosting } from "./hosting.ts";

const missing = spawnSync("gcc", ["--version"]).error ? "gcc is not installed" : false;

describe("secret volumes", { skip: missing }, () => {
  test("are made on the host, mode 0600, and a changed one restarts the guest", async () => {
    await using kernels = await tempDir("kernel");
    execFileSync("sh", [path.join(ROOT, "examples/unix-kernel/build.sh"), kernels.path]);
    await using host = await hosting({
      kernel: kernels.join("site-server"),
      target: "unix",
      config: "volumes: {data: {from: site, device: storage}, tls: {secret: true, format: tar}}\n",
    });
    const port = await freePort();
    const tls = host.directory.join("tls");
    await mkdir(tls);
    await writeFile(path.join(tls, "server.key"), "first secret\n");
    const rest = `launch: {args: ["{image:data}", "--port=${port}"]}\nhealth: {url: "http://127.0.0.1:${port}/"}\npoll: 1s\n`;
    const one = await host.deploy({ "index.html": "one\n" });

    // Without its secret the release cannot run, and that is not the release's fault.
    await host.configure(rest);
    {
      await using up = host.up();
      await up.line(/host.yml has no content for secret volume tls/);
      assert.deepEqual((await host.status()).bad, []);
      assert.equal(await up.stop(), 0);
    }

    // Nor is an image that is none of the format which the guest reads.
    await writeFile(host.directory.join("noise.img"), Buffer.alloc(4096, 1));
    await host.configure(`${rest}secrets: {tls: {from: noise.img}}\n`);
    {
      await using up = host.up();
      await up.line(/noise\.img is no tar image/);
      assert.deepEqual((await host.status()).bad, []);
      assert.equal(await up.stop(), 0);
    }

    await host.configure(`${rest}secrets: {tls: {from: tls}}\n`);
    await using up = host.up();
    await up.line(new RegExp(`release ${one.release}: current`));
    const image = path.join(host.runtime, "secrets/tls.tar.img");
    assert.equal(statSync(image).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(image)).mode & 0o777, 0o700);
    assert.ok(readFileSync(image).includes("first secret"));
    const before = (await host.status()).guest?.pid;
    await writeFile(path.join(tls, "server.key"), "second secret\n");
    await up.line(/what it was given has changed/);
    await up.line(/healthy/);
    assert.ok(readFileSync(image).includes("second secret"));
    assert.notEqual((await host.status()).guest?.pid, before);
    for (const entry of readdirSync(host.state, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const bytes = readFileSync(path.join(entry.parentPath, entry.name));
      assert.ok(!/(?:first|second) secret/.test(bytes.toString("latin1")), entry.name);
    }
    assert.doesNotMatch(up.log(), /(?:first|second) secret/);
    assert.equal(await up.stop(), 0);
    assert.equal(existsSync(image), false);
  });
});
