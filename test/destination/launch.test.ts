/** The launch files: what a shell, qemu's own parser or a judge of the format makes of them. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { launchFiles } from "../../src/destination/launch/index.ts";
import type { ReleaseManifest } from "../../src/manifest/schema.ts";
import { run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

const TARGETS = ["hvt", "spt", "virtio", "pvh", "xen", "pv", "unikraft-fc", "unix"] as const;
const ARGS = ["--ipv4=10.0.0.2/24", "it's $(touch owned) `x`", 'a"b,c', "<&>"];
const DIGEST = "0".repeat(64);

function manifestFor(target: (typeof TARGETS)[number], args: readonly string[] = ARGS): ReleaseManifest {
  const devices = [
    { name: "service", type: "net" as const },
    { name: "tls", type: "block" as const },
    { name: "storage", type: "block" as const },
  ];
  return {
    type: "unikernel-deploy.release",
    version: 1,
    name: "www",
    sequence: 3,
    source: { commit: "a".repeat(40) },
    kernels: [{ target, arch: "x86_64", path: `kernels/www.${target}`, size: 1, sha256: DIGEST, devices }],
    volumes: [
      {
        name: "data",
        device: "storage",
        format: "tar",
        size: 4096,
        sha256: DIGEST,
        files: 1,
        bytes: 1,
        layout: "image",
        path: "volumes/data.img",
      },
      { name: "tls", device: "tls", secret: true, format: "fat" },
    ],
    launch: { memory: 64, args: [...args] },
  };
}

const textOf = (target: (typeof TARGETS)[number], extension: string) => {
  const file = launchFiles(manifestFor(target)).find(({ path }) => path === `launch/www.${target}.${extension}`);
  assert.ok(file, `launch/www.${target}.${extension}`);
  return file.text;
};

/** Runs a launch script with a stand-in for the tender that prints its arguments, one a line. */
async function argumentsOf(script: string, tender: string): Promise<string[]> {
  await using dir = await tempDir("launch");
  for (const [name, body] of [
    [tender, 'for a in "$@"; do printf "%s\\n" "$a"; done'],
    ["losetup", 'case $1 in -d) echo "$2" >> detached ;; *) printf "/dev/loop-of-%s" "$(basename "$4")" ;; esac'],
  ] as const) {
    await writeFile(dir.join(name), `#!/bin/sh\n${body}\n`);
    await chmod(dir.join(name), 0o755);
  }
  const ran = await run("sh", ["-c", script], {
    cwd: dir.path,
    env: { PATH: `${dir.path}:/usr/bin:/bin`, RELEASE: "/srv/a release" },
  });
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok(!existsSync(dir.join("owned")), "an argument was run by the shell");
  return ran.stdout.trimEnd().split("\n");
}

describe("launch files", () => {
  for (const target of TARGETS) {
    test(`exist for ${target}`, () => {
      assert.notEqual(launchFiles(manifestFor(target)).length, 0);
    });
  }

  test("of shells satisfy shellcheck", {
    skip: existsSync("/usr/bin/shellcheck") ? false : "shellcheck is not installed",
  }, async () => {
    for (const { path, text } of TARGETS.flatMap((target) => launchFiles(manifestFor(target)))) {
      if (!path.endsWith(".sh")) continue;
      // SC2016 notes that single quotes keep "$(…)" from being run, which is what they are for.
      const checked = await run("shellcheck", ["-s", "sh", "-e", "SC2016", "-"], { input: text });
      assert.equal(checked.stdout, "", path);
    }
  });

  test("give solo5 its devices, and the guest its arguments as they are", async () => {
    assert.deepEqual(await argumentsOf(textOf("hvt", "sh"), "solo5-hvt"), [
      "--mem=64",
      "--net:service=tap0",
      "--block:tls=/run/unikernel-deploy/www/tls.img",
      "--block:storage=/dev/loop-of-data.img",
      "--",
      "/srv/a release/kernels/www.hvt",
      ...ARGS,
    ]);
  });

  test("pin qemu's slots in the order of the application manifest", async () => {
    const given = await argumentsOf(textOf("virtio", "sh"), "qemu-system-x86_64");
    const slots = given
      .filter((argument) => /,addr=/.test(argument))
      .map((argument) => argument.replace(/,(?:netdev|drive)=\w+/, ""));
    assert.deepEqual(slots, ["virtio-net,addr=0x2", "virtio-blk,addr=0x3", "virtio-blk,addr=0x4"]);
    const drives = given
      .filter((argument) => argument.startsWith("id=d"))
      .map((argument) => /file=([^,]*)/.exec(argument)?.[1]);
    assert.deepEqual(drives, ["/run/unikernel-deploy/www/tls.img", "/srv/a release/volumes/data.img"]);
    assert.equal(given[given.indexOf("-append") + 1], ARGS.join(" ").replaceAll(",", ",,"));
  });

  test("of libvirt are well-formed whatever the arguments", {
    skip: existsSync("/usr/bin/xmllint") ? false : "xmllint is not installed",
  }, async () => {
    for (const target of ["virtio", "xen"] as const) {
      const checked = await run("xmllint", ["--noout", "-"], { input: textOf(target, "xml") });
      assert.equal(checked.code, 0, checked.stderr);
    }
  });

  test("name Xen's disks from xvdb on", () => {
    assert.match(textOf("xen", "xl"), /vdev=xvdb, access=ro, target=.*\/tls\.img"/);
    assert.match(textOf("xen", "xl"), /vdev=xvdc, access=ro, target=.*\/data\.img"/);
  });

  test("of Firecracker are JSON with the volumes as drives", () => {
    const { drives } = JSON.parse(textOf("unikraft-fc", "json")) as { drives: { drive_id: string }[] };
    assert.deepEqual(
      drives.map(({ drive_id: id }) => id),
      ["tls", "data"],
    );
  });
});
