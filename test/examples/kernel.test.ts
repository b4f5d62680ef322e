import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import {
  kernelFolder,
  type Machine,
  makeCrowdedVolume,
  makeVolume,
  missing,
  recordedToolchain,
  request,
  startQemu,
  tempFolder,
} from "./harness.ts";
import { checkServing, site } from "./serving.ts";

const machines: Machine[] = ["virtio", "pvh"];
const build = path.join(kernelFolder, "build.sh");
const output = (command: string, argv: string[]) => execFileSync(command, argv, { encoding: "utf8" });

function toolchainDiffers(): string | undefined {
  const absent = missing("gcc") ?? missing("ld");
  if (absent) return absent;
  const recorded = recordedToolchain();
  const gcc = output("gcc", ["-dumpfullversion"]).trim();
  const binutils = / (\d+\.\d+(?:\.\d+)?)\s*$/m.exec(output("ld", ["--version"]).split("\n")[0] ?? "")?.[1];
  if (gcc === recorded.gcc && binutils === recorded.binutils) return undefined;
  return `built with gcc ${recorded.gcc} and binutils ${recorded.binutils}; here are ${gcc} and ${binutils}`;
}

describe("examples/kernel/build.sh", () => {
  it("makes the committed binaries, byte for byte, from a copy elsewhere", {
    skip: toolchainDiffers() ?? false,
  }, () => {
    using folder = tempFolder();
    const sources = readdirSync(kernelFolder).filter((name) => !/^site\.|\.md$/.test(name));
    for (const name of sources) copyFileSync(path.join(kernelFolder, name), path.join(folder.path, name));
    execFileSync("sh", [path.join(folder.path, "build.sh"), path.join(folder.path, "out put")], { cwd: "/" });
    for (const machine of machines) {
      const built = readFileSync(path.join(folder.path, "out put", `site.${machine}`));
      const committed = readFileSync(path.join(kernelFolder, `site.${machine}`));
      assert.ok(built.equals(committed), `site.${machine} is stale: run examples/kernel/build.sh and commit`);
    }
  });

  it("says in one line that there is no compiler", () => {
    using folder = tempFolder();
    const run = spawnSync(build, [folder.path], { env: { ...process.env, CC: "no-such-cc" }, encoding: "utf8" });
    assert.equal(run.status, 1);
    assert.match(run.stderr, /^build\.sh: no compiler 'no-such-cc'[^\n]*\n$/);
  });

  it("keeps lines within 100 columns", () => {
    for (const name of readdirSync(kernelFolder).filter((n) => /\.([chS]|ld|sh)$/.test(n)))
      for (const line of readFileSync(path.join(kernelFolder, name), "utf8").split("\n"))
        assert.ok(line.length <= 100, `${name}: ${line}`);
  });
});

describe("the ELF files", { skip: missing("readelf") ?? false }, () => {
  const readelf = (machine: Machine) => output("readelf", ["-lnW", path.join(kernelFolder, `site.${machine}`)]);

  it("site.virtio is marked for Solo5 virtio and declares service and storage", () => {
    const text = readelf("virtio");
    assert.match(text, /Requesting program interpreter: \/nonexistent\/solo5\//);
    assert.equal(text.match(/^ {2}NOTE .* 0x4$/gm)?.length, 2, "each note has its own program header");
    assert.match(text, /Solo5 +0x00000010\t.*\(0x31494241\).*data: 03 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00/);
    const manifest = /Solo5 +0x00000144\t.*\(0x3154464d\).*data: ([0-9a-f ]+)/.exec(text)?.[1] ?? "";
    const bytes = Buffer.from(manifest.replaceAll(" ", ""), "hex");
    assert.deepEqual([bytes.readUInt32LE(4), bytes.readUInt32LE(8)], [1, 3], "version and entries");
    const entries = [0, 1, 2].map((i) => bytes.subarray(12 + 104 * i, 12 + 104 * (i + 1)));
    assert.deepEqual(
      entries.map((e) => [e.subarray(0, e.indexOf(0)).toString("latin1"), e.readUInt32LE(68)]),
      [
        ["", 0x40000000],
        ["service", 2],
        ["storage", 1],
      ],
    );
    assert.ok(entries.every((e) => e.subarray(72).every((byte) => byte === 0)));
    assert.doesNotMatch(text, / Xen /);
  });

  it("site.virtio can be loaded without its ELF headers", () => {
    // Multiboot's address fields describe one linear copy; every segment must lie where it will end up.
    const file = readFileSync(path.join(kernelFolder, "site.virtio"));
    const at = Array.from({ length: 2048 }, (_, i) => i * 4).find((i) => file.readUInt32LE(i) === 0x1badb002) ?? -1;
    const [flags, checksum, header, load, dataEnd, bssEnd, entry] = Array.from({ length: 7 }, (_, i) =>
      file.readUInt32LE(at + 4 + 4 * i),
    ) as [number, number, number, number, number, number, number];
    assert.equal((0x1badb002 + flags + checksum) % 2 ** 32, 0);
    assert.equal(flags, 0x10003);
    const delta = header - at;
    const loads = [...readelf("virtio").matchAll(/^ {2}LOAD +(\w+) (\w+) \w+ (\w+) (\w+) (.{3})/gm)];
    assert.equal(loads.length, 3);
    for (const [, offset, address, , , mode] of loads) {
      assert.equal(Number(address) - Number(offset), delta);
      assert.ok(!(mode?.includes("W") && mode.includes("E")), "no segment is writable and executable");
    }
    const [, , address, fileSize, memorySize] = (loads[2] ?? []).map(Number) as number[];
    assert.equal(dataEnd, (address ?? 0) + (fileSize ?? 0));
    assert.equal(bssEnd, (address ?? 0) + (memorySize ?? 0));
    assert.ok(load === 0x100000 && entry >= load && entry < dataEnd);
    assert.ok(bssEnd < 15 * 1024 * 1024, "fits a 16 MB machine with room for the firmware");
  });

  it("site.pvh has a PVH entry and does not pass for a Solo5 kernel", () => {
    const text = readelf("pvh");
    const entry = /Entry point 0x(\w+)/.exec(text)?.[1] ?? "";
    const value = Buffer.alloc(8);
    value.writeUInt32LE(Number.parseInt(entry, 16));
    assert.match(text, new RegExp(`Xen +0x00000008\\t.*data: ${value.toString("hex").replace(/../g, "$& ").trim()}`));
    assert.doesNotMatch(text, /Solo5/);
  });
});

const noQemu = missing("qemu-system-x86_64") ?? missing("tar") ?? false;

for (const machine of machines) {
  describe(`site.${machine} under QEMU`, { skip: noQemu }, () => {
    let folder: ReturnType<typeof tempFolder>;
    let image: string;
    before(() => {
      folder = tempFolder();
      image = makeVolume(folder.path, "site", site);
    });
    after(() => folder[Symbol.dispose]());

    it("serves the volume, byte for byte", async () => {
      const append = "--ipv4=10.0.2.15/24 --ipv4-gateway=10.0.2.2";
      await using running = await startQemu(machine, image, { append });
      await checkServing(running);
      assert.match(running.console(), new RegExp(`site: ${Object.keys(site).length} files`));
      assert.match(running.console(), /^listening on 10\.0\.2\.15:80$/m);
    });

    if (machine === "pvh") {
      // QEMU 7.2 presents legacy registers unless told otherwise; the test above ran with whatever is the default.
      for (const legacy of ["true", "false"])
        it(`serves it with force-legacy=${legacy}`, async () => {
          const extra = ["-global", `virtio-mmio.force-legacy=${legacy}`];
          await using running = await startQemu(machine, image, { extra });
          await checkServing(running);
        });
    }

    const panics = async (bad: string, expected: RegExp, options = {}) => {
      await using running = await startQemu(machine, bad, options);
      assert.equal(await running.ended(), 83);
      assert.match(running.console(), expected);
      assert.match(running.console(), /^Solo5: solo5_abort\(\) called$/m);
    };

    it("refuses a truncated image", async () => {
      const cut = path.join(folder.path, "cut.img");
      copyFileSync(image, cut);
      truncateSync(cut, 64 * 1024);
      await panics(cut, /^panic: truncated image: big\.bin ends at byte \d+, the volume at 65536$/m);
    });

    it("refuses a flipped bit in a header", async () => {
      const flipped = path.join(folder.path, "flipped.img");
      const bytes = readFileSync(image);
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      writeFileSync(flipped, bytes);
      await panics(flipped, /^panic: malformed tar: header at byte 0 has a wrong checksum$/m);
    });

    it("refuses what is not a tar volume, and an argument it does not know", async () => {
      const noise = path.join(folder.path, "noise.img");
      writeFileSync(noise, Buffer.alloc(4096, 0x5a));
      await panics(noise, /^panic: malformed tar: no ustar header at byte 0$/m);
      await panics(image, /^panic: cannot use argument '--ipv6'/m, { append: "--ipv6" });
    });

    it("holds 32,768 files and refuses one more", async () => {
      const full = makeCrowdedVolume(folder.path, 32_768);
      await using running = await startQemu(machine, full);
      await running.until(/listening on/);
      assert.equal((await request(running.port, "/file-32767.html")).status, 200);
      assert.equal((await request(running.port, "/file-32768.html")).status, 404);
      const crowded = makeCrowdedVolume(folder.path, 32_769);
      await panics(crowded, /^panic: index full: the volume has more than 32768 files$/m);
    });

    it("refuses to start without its devices", async () => {
      const disk = machine === "virtio" ? "virtio-blk,drive=disk,addr=0x3" : "virtio-blk-device,drive=disk";
      const net = machine === "virtio" ? "virtio-net,netdev=n0" : "virtio-net-device,netdev=n0";
      await panics(image, /^Solo5: Device 'storage' of type BLOCK_BASIC not attached\.$/m, { devices: [net] });
      if (machine === "pvh")
        await panics(image, /^Solo5: Device 'service' of .* not attached\.$/m, { devices: [disk] });
      else await panics(image, /^Solo5: Virtio blk: PCI:00:03 not in manifest$/m, { devices: [disk] });
    });

    if (machine === "virtio") {
      it("refuses devices in another order, a surplus one, and a modern-only one", async () => {
        const swapped = ["virtio-blk,drive=disk,addr=0x2", "virtio-net,netdev=n0,addr=0x3"];
        await panics(image, /^Solo5: Virtio blk: PCI:00:02 not in manifest\nSolo5: PCI enumeration failed\./m, {
          devices: swapped,
        });
        const usual = ["virtio-net,netdev=n0,addr=0x2", "virtio-blk,drive=disk,addr=0x3"];
        await panics(image, /^Solo5: Virtio net: PCI:00:04 not in manifest$/m, {
          devices: [...usual, "virtio-net,addr=0x4"],
        });
        await panics(image, /^Solo5: PCI:00:02: unknown virtio device \(0x1100\)$/m, {
          devices: usual.map((d) => `${d},disable-legacy=on,disable-modern=off`),
        });
      });
    }

    it("fails as asked: panic, exit, never-listen, status", async () => {
      await panics(image, /^panic: asked for with --fault=panic$/m, { append: "--fault=panic" });

      await using exits = await startQemu(machine, image, { append: "--fault=exit" });
      assert.equal(await exits.ended(), 83);
      assert.match(exits.console(), /^listening on .*\nSolo5: solo5_exit\(0\) called\n$/m);

      await using deaf = await startQemu(machine, image, { append: "--fault=never-listen" });
      await deaf.until(/^fault: not going to listen$/m);
      assert.doesNotMatch(deaf.console(), /listening on/);
      await assert.rejects(request(deaf.port, "/", { timeout: 300 }));

      await using wrong = await startQemu(machine, image, { append: "--fault=status" });
      await wrong.until(/listening on/);
      assert.equal((await request(wrong.port, "/")).status, 500);
    });

    it("fails as asked: hang, flood", async () => {
      await using hangs = await startQemu(machine, image, { append: "--fault=hang" });
      await hangs.until(/listening on/);
      await assert.rejects(request(hangs.port, "/big.bin", { timeout: 700 }));

      await using floods = await startQemu(machine, image, { append: "--fault=flood" });
      await floods.until(/(fault: flooding the console[^\n]*\n){200}/);
      assert.equal((await request(floods.port, "/")).status, 200, "and it still serves");
    });
  });
}
