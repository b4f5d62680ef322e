/**
 * Solo5's tenders, which cannot be installed here, by a stand-in (solo5-stand-in.mjs) that refuses what they refuse, and
 * runs a guest on the tap it is given: so the network namespace, the tap and the relay are real.
 */
import assert from "node:assert/strict";
import { truncateSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { Release } from "../../src/release/release.ts";
import { renderBoot } from "../../src/report/boot.ts";
import { findEntry } from "../../src/tender/netns.ts";
import { boot, fault, PAGES, SITE, VIRTIO, without } from "../boot/booting.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { spt, standIns } from "./solo5.ts";

const entry = await findEntry(process.env);
const skip = without("qemu-system-x86_64") || ("missing" in entry ? entry.missing : false);

describe("solo5-spt (a stand-in)", { skip }, () => {
  let dir: TempDir;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    dir = await tempDir("solo5-stand-in");
    env = { ...process.env, PATH: `${standIns(dir.path)}:${process.env["PATH"]}` };
  });
  after(() => dir[Symbol.asyncDispose]());

  const spec = { kernels: { "www.spt": spt() }, sites: { data: SITE } };
  type Info = Partial<Release["kernels"][number]["info"]>;
  const said = (info: Info) => (release: Release) => Object.assign(release.kernels[0]?.info ?? {}, info);
  const service = { name: "service", type: "net" } as const;

  it("serves every page through a tap in a namespace of its own", async () => {
    const { report } = await boot(spec, { timeout: 15_000 }, { env });
    assert.equal(report.outcome, "passed", renderBoot([report]));
    assert.deepEqual([report.tender, report.accel, report.figures?.pages], ["solo5-spt", null, PAGES + 1]);
  });

  it("passes on how a guest ends", async () => {
    const { report } = await boot(spec, { args: fault("panic"), timeout: 15_000 }, { env });
    assert.match(report.reason ?? "", /the guest ended with exit code 255: panic: asked for/);
    const { report: exit } = await boot(
      spec,
      { args: fault("exit"), probe: { kind: "exit" }, timeout: 15_000 },
      { env },
    );
    assert.equal(exit.outcome, "passed", renderBoot([exit]));
  });

  const refusals: readonly [string, RegExp, (release: Release) => void][] = [
    [
      "an image of 1000 bytes",
      /exit code 1: storage: Backing storage size must be block aligned/,
      (release) => truncateSync(release.volumes[0]?.file as string, 1000),
    ],
    [
      "an empty image",
      /exit code 1: storage: Backing storage must be at least 1 block/,
      (release) => truncateSync(release.volumes[0]?.file as string, 0),
    ],
    [
      "a kernel of another target",
      /exit code 1: Executable is not for the solo5-spt target/,
      (release) => writeFileSync(release.kernels[0]?.file as string, VIRTIO),
    ],
    [
      "what is no kernel",
      /exit code 1: kernel: invalid or unsupported executable/,
      (release) => writeFileSync(release.kernels[0]?.file as string, "#!/bin/sh\n"),
    ],
    [
      "a device that is not declared",
      /exit code 1: Resource not declared in manifest: 'storag'/,
      (release) => {
        said({ devices: [service, { name: "storag", type: "block" }] })(release);
        Object.assign(release.manifest.volumes[0] ?? {}, { device: "storag" });
      },
    ],
    [
      "a device that is not attached",
      /exit code 1: Device 'storage' of type BLOCK_BASIC declared but not attached/,
      (release) => {
        said({ devices: [service] })(release);
        Object.assign(release.manifest, { volumes: [] });
      },
    ],
  ];
  for (const [what, message, spoil] of refusals) {
    it(`refuses ${what}, in its own words`, async () => {
      const { report } = await boot(spec, {}, { env, spoil });
      assert.match(report.reason ?? "", message);
    });
  }
});

describe("without a way to make a tap", () => {
  it("says what is missing", async () => {
    assert.deepEqual(await findEntry({ PATH: "/nonexistent" }), {
      missing: "unshare is not installed, which makes the network namespace",
    });
  });
});
