import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { makeVolume, missing, request, startUnix, tempFolder, unixFolder } from "./harness.ts";
import { checkServing, site } from "./serving.ts";

describe("examples/unix-kernel", { skip: missing("gcc") ?? missing("tar") ?? false }, () => {
  let folder: ReturnType<typeof tempFolder>;
  let image: string;
  let binary: string;
  before(() => {
    folder = tempFolder();
    execFileSync("sh", [path.join(unixFolder, "build.sh"), folder.path]);
    binary = path.join(folder.path, "site-server");
    image = makeVolume(folder.path, "site", site);
  });
  after(() => folder[Symbol.dispose]());

  it("serves the volume, byte for byte", async () => {
    await using running = startUnix(binary, image);
    await checkServing(running);
    assert.match(running.console(), /^listening on 127\.0\.0\.1:\d+$/m);
  });

  it("refuses a truncated or damaged image", async () => {
    const bad = path.join(folder.path, "bad.img");
    copyFileSync(image, bad);
    truncateSync(bad, 64 * 1024);
    await using cut = startUnix(binary, bad);
    assert.equal(await cut.ended(), 1);
    assert.match(cut.console(), /panic: truncated image: big\.bin ends at byte \d+, the volume at 65536/);

    const bytes = readFileSync(image);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(bad, bytes);
    await using damaged = startUnix(binary, bad);
    assert.equal(await damaged.ended(), 1);
    assert.match(damaged.console(), /panic: malformed tar: no valid ustar header at byte 0/);
  });

  it("fails as asked", async () => {
    await using panics = startUnix(binary, image, "--fault=panic");
    assert.equal(await panics.ended(), 1);
    assert.match(panics.console(), /panic: asked for with --fault=panic/);

    await using exits = startUnix(binary, image, "--fault=exit");
    assert.equal(await exits.ended(), 0);
    assert.match(exits.console(), /^listening on /m);

    await using deaf = startUnix(binary, image, "--fault=never-listen");
    await assert.rejects(deaf.until(/listening on/, 300));

    await using wrong = startUnix(binary, image, "--fault=status");
    await wrong.until(/listening on/);
    assert.equal((await request(wrong.port, "/")).status, 500);

    await using hangs = startUnix(binary, image, "--fault=hang");
    await hangs.until(/listening on/);
    await assert.rejects(request(hangs.port, "/big.bin", { timeout: 500 }));

    await using floods = startUnix(binary, image, "--fault=flood");
    await floods.until(/(fault: flooding the console[^\n]*\n){200}/);
    assert.equal((await request(floods.port, "/")).status, 200);
  });
});
