/** A host whose /dev/kvm opens and is of no use runs its guest under emulation; no good release gets bad for it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { CLI } from "../support/project.ts";
import { freePort, hosting, page, up, VIRTIO } from "./hosting.ts";

function unable(): string | false {
  if (spawnSync("qemu-system-x86_64", ["--version"]).error) return "qemu-system-x86_64 is not installed";
  try {
    closeSync(openSync("/dev/kvm", "r+"));
    return false;
  } catch {
    return "/dev/kvm cannot be opened, so it is not tried";
  }
}

const QEMU = `#!/bin/sh
case "$*" in *"-accel kvm"*) echo 'qemu-system-x86_64: failed to initialize kvm: No such device' >&2; exit 1;; esac
PATH='${process.env["PATH"]}' exec qemu-system-x86_64 "$@"
`;

test("qemu that ends at once with KVM is started again without (a qemu that does stands in)", {
  skip: unable(),
}, async () => {
  await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
  const port = await freePort();
  await host.configure(`launch: {forward: ["${port}:80"]}\nhealth: {url: "http://127.0.0.1:${port}/"}\npoll: 1s\n`);
  const bin = host.directory.join("bin");
  await mkdir(bin);
  await writeFile(path.join(bin, "qemu-system-x86_64"), QEMU, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env["PATH"]}`, UNIKERNEL_DEPLOY_ACCEL: "" };
  const one = await host.deploy({ "index.html": "one\n" });
  await using supervisor = up(process.execPath, [CLI, "host", "up", "--config", host.config], host.directory.path, env);
  await supervisor.line(
    /launched \(qemu, process \d+\); emulated, as KVM did not work: qemu with KVM ended: .*No such device/,
  );
  await supervisor.line(new RegExp(`release ${one.release}: current`));
  assert.equal(await page(port), "one\n");
  assert.deepEqual((await host.status()).bad, []);
  assert.equal(await supervisor.stop(), 0);
});
