/** KVM is tried, not guessed: what does not work is left for emulation, and the report says why. */
import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { renderBoot } from "../../src/report/boot.ts";
import { boot, SITE, VIRTIO, without } from "../boot/booting.ts";
import { tempDir } from "../support/temp.ts";

function noKvm(): string | false {
  try {
    closeSync(openSync("/dev/kvm", "r+"));
    return false;
  } catch {
    return "/dev/kvm cannot be opened, so it is not tried";
  }
}

describe("accelerators", { skip: without("qemu-system-x86_64") }, () => {
  const spec = { kernels: { "www.virtio": VIRTIO }, sites: { data: SITE } };

  it("falls back where qemu cannot use KVM (a qemu that cannot stands in)", { skip: noKvm() }, async () => {
    await using dir = await tempDir("no-kvm");
    const script = `#!/bin/sh
case "$*" in *"-accel kvm"*) echo 'qemu: failed to initialize kvm: No such device' >&2; exit 1;; esac
PATH='${process.env["PATH"]}' exec qemu-system-x86_64 "$@"
`;
    writeFileSync(dir.join("qemu-system-x86_64"), script, { mode: 0o755 });
    const env = { ...process.env, PATH: `${dir.path}:${process.env["PATH"]}`, UNIKERNEL_DEPLOY_ACCEL: undefined };
    const { report } = await boot(spec, { accel: "auto" }, { env });
    assert.deepEqual([report.outcome, report.accel], ["passed", "tcg"], renderBoot([report]));
    assert.match(report.fallback ?? "", /qemu with KVM ended: qemu: failed to initialize kvm: No such device/);
    assert.match(renderBoot([report]), /qemu \(tcg, KVM did not work\)/);
  });

  it("does not try it when told not to", async () => {
    const env = { ...process.env, UNIKERNEL_DEPLOY_ACCEL: "tcg" };
    const { report } = await boot(spec, { accel: "auto" }, { env });
    assert.deepEqual([report.outcome, report.accel, report.fallback], ["passed", "tcg", undefined]);
  });
});
