/** What urunc is told of a kernel, and every reason why it could not run one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ManifestKernel, ManifestVolume, ReleaseManifest } from "../../src/manifest/schema.ts";
import { uruncOf } from "../../src/manifest/urunc.ts";

const DEVICES: ManifestKernel["devices"] = [
  { name: "service", type: "net" },
  { name: "storage", type: "block" },
];
const DATA: ManifestVolume = {
  name: "data",
  device: "storage",
  format: "tar",
  size: 4096,
  sha256: "0".repeat(64),
  files: 1,
  bytes: 1,
};
const TLS: ManifestVolume = { name: "tls", device: "tls", secret: true, format: "fat" };

interface Spec {
  readonly kernel?: Partial<ManifestKernel>;
  readonly volumes?: readonly ManifestVolume[];
  readonly args?: string[];
}

function judge({ kernel, volumes = [DATA], args = [] }: Spec = {}) {
  const whole: ManifestKernel = {
    target: "hvt",
    arch: "x86_64",
    path: "kernels/www.hvt",
    size: 1,
    sha256: "0".repeat(64),
    devices: DEVICES,
    ...kernel,
  };
  const manifest: ReleaseManifest = {
    type: "unikernel-deploy.release",
    version: 1,
    name: "www",
    source: { commit: "0".repeat(40) },
    kernels: [whole],
    volumes: [...volumes],
    launch: { memory: 64, args },
  };
  return uruncOf(manifest, whole);
}

const told = (spec: Spec) => {
  const urunc = judge(spec);
  assert.ok(urunc.runs, urunc.runs ? "" : urunc.reasons.join());
  return Object.fromEntries(
    Object.entries(urunc.annotations).map(([key, value]) => [key.replace("com.urunc.unikernel.", ""), value]),
  );
};
const reasons = (spec: Spec) => {
  const urunc = judge(spec);
  return urunc.runs ? [] : urunc.reasons;
};

describe("urunc", () => {
  it("is told framework and monitor by the target", () => {
    const pair = (spec: Spec) => [told(spec).unikernelType, told(spec).hypervisor];
    assert.deepEqual(pair({}), ["mirage", "hvt"]);
    assert.deepEqual(pair({ kernel: { target: "spt" } }), ["mirage", "spt"]);
    const bare = { volumes: [], kernel: { devices: [] } };
    assert.deepEqual(pair({ ...bare, kernel: { ...bare.kernel, target: "unikraft-qemu" } }), ["unikraft", "qemu"]);
    assert.deepEqual(pair({ ...bare, kernel: { ...bare.kernel, target: "unikraft-fc" } }), ["unikraft", "firecracker"]);
  });

  it("is told the arguments, and of a block device only where there is one", () => {
    const { cmdline, block, blkMntPoint } = told({ args: ["--a=1", "-v"] });
    assert.deepEqual([cmdline, block, blkMntPoint], ["--a=1 -v", "/volumes/data.img", "/data"]);
    const [net] = DEVICES;
    const keys = Object.keys(told({ volumes: [], kernel: { devices: net ? [net] : [] } }));
    assert.deepEqual(
      keys.filter((key) => /bl/i.test(key)),
      [],
    );
  });

  it("needs its 0.8 for other names than its own", () => {
    const urunc = judge({ kernel: { devices: [{ name: "eth", type: "net" }, ...DEVICES.slice(1)] } });
    assert.ok(urunc.runs);
    assert.match(urunc.since08 ?? "", /"service", the kernel "eth"/);
    const own = judge();
    assert.ok(own.runs && own.since08 === undefined && own.volume === "data" && own.architecture === "amd64");
    const arm = judge({ kernel: { arch: "aarch64" } });
    assert.ok(arm.runs && arm.architecture === "arm64");
  });

  it("does not count volumes that no device carries", () => {
    assert.deepEqual(reasons({ volumes: [DATA, { ...DATA, name: "repo", format: "git" }] }), []);
  });

  for (const [what, spec, reason] of [
    ["a target without a monitor", { kernel: { target: "virtio" } }, /this one is for virtio/],
    ["an unknown target", { kernel: { target: null } }, /no target that is known/],
    ["an architecture without urunc", { kernel: { arch: "riscv64" } }, /x86_64 and aarch64/],
    ["a path that urunc refuses", { kernel: { path: "kernels/c++.hvt" } }, /this one is kernels\/c\+\+\.hvt/],
    ["two volumes", { volumes: [DATA, { ...DATA, name: "media" }] }, /the release has 2 \(data, media\)/],
    ["a secret volume", { volumes: [TLS] }, /secret volume tls must never be/],
    ["no network", { kernel: { devices: DEVICES.slice(1) } }, /the kernel declares 0/],
    ["two block devices", { kernel: { devices: [...DEVICES, { name: "x", type: "block" }] } }, /declares 2/],
    ["a volume for Unikraft", { kernel: { target: "unikraft-fc" } }, /no block device to Unikraft/],
  ] as const satisfies readonly (readonly [string, Spec, RegExp])[]) {
    it(`cannot run ${what}, and says so`, () => {
      const found = reasons(spec);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", reason);
    });
  }
});
