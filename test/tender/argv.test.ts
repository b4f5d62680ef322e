/** Command lines of the tenders, word by word: what users copy from the documentation, and what is refused. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { guestArgs, unixArgs } from "../../src/tender/args.ts";
import { planCommand, splitWords } from "../../src/tender/command.ts";
import { netnsOrder, tapNames } from "../../src/tender/netns.ts";
import { planQemu } from "../../src/tender/qemu.ts";
import { planSolo5 } from "../../src/tender/solo5.ts";
import type { GuestSpec } from "../../src/tender/tender.ts";
import { planUnix } from "../../src/tender/unix.ts";

const SPEC: GuestSpec = {
  kernel: "kernel",
  target: "virtio",
  devices: [
    { name: "service", type: "net" },
    { name: "storage", type: "block" },
    { name: "tls", type: "block" },
  ],
  memory: 64,
  args: ["--ipv4=10.0.2.15/24", "--name=a, b"],
  // In another order than the application manifest's.
  blocks: [
    { device: "tls", volume: "tls", file: "/tmp/a b,c/tls.img" },
    { device: "storage", volume: "data", file: "/srv/data.img" },
  ],
  network: { kind: "user" },
  port: 8080,
};
const words = (text: string) => text.split(" ");
const refused = (message: RegExp) => ({ code: "LAUNCH_FAILED", message });

describe("planQemu", () => {
  it("pins virtio devices to slots in the order of the application manifest", () => {
    const { argv, reach } = planQemu(SPEC, { accel: "tcg" });
    const raw = (id: string, filename: string) =>
      JSON.stringify({
        driver: "raw",
        "node-name": id,
        "read-only": true,
        file: { driver: "file", filename, "read-only": true },
      });
    assert.deepEqual(argv, [
      "qemu-system-x86_64",
      ...words("-accel tcg -machine pc,acpi=off -cpu Westmere"),
      ...words("-m 64 -nodefaults -no-user-config -display none -no-reboot"),
      ...words("-chardev stdio,id=console,signal=off -serial chardev:console -device isa-debug-exit"),
      ...words("-chardev socket,id=control,fd=3 -mon chardev=control,mode=control"),
      ...words("-netdev user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-10.0.2.15:8080"),
      ...words("-device virtio-net-pci,netdev=net0,addr=0x2,romfile="),
      "-blockdev",
      raw("block1", "/srv/data.img"),
      ...words("-device virtio-blk-pci,drive=block1,addr=0x3 -blockdev"),
      raw("block2", "/tmp/a b,c/tls.img"),
      ...words("-device virtio-blk-pci,drive=block2,addr=0x4 -kernel kernel -append"),
      '--ipv4=10.0.2.15/24 "--name=a, b"',
    ]);
    assert.deepEqual(reach, { kind: "qmp" });
  });

  it("puts PVH kernels on microvm, whose devices have no slots", () => {
    const { argv } = planQemu({ ...SPEC, target: "pvh", devices: [], blocks: SPEC.blocks.slice(1) }, { accel: "tcg" });
    assert.deepEqual(argv.slice(3, 5), ["-machine", "microvm,acpi=off"]);
    const devices = argv.filter((_, i) => argv[i - 1] === "-device");
    assert.deepEqual(devices, ["isa-debug-exit", "virtio-net-device,netdev=net0", "virtio-blk-device,drive=block0"]);
  });

  it("attaches taps for a host", () => {
    const { argv } = planQemu({ ...SPEC, network: { kind: "tap", interfaces: { service: "tap7" } } }, { accel: "kvm" });
    assert.ok(argv.includes("tap,id=net0,ifname=tap7,script=no,downscript=no"));
    assert.equal(argv[argv.indexOf("-cpu") + 1], "host");
  });

  it("refuses what cannot work", () => {
    const plan = (more: Partial<GuestSpec>) => () => planQemu({ ...SPEC, ...more }, { accel: "tcg" });
    assert.throws(plan({ target: "hvt" }), refused(/this one is for hvt/));
    assert.throws(plan({ target: null }), refused(/an unknown target/));
    assert.throws(plan({ blocks: SPEC.blocks.slice(1) }), refused(/declares block device "tls", and no volume/));
    const wrong = [...SPEC.blocks, { device: "stroage", volume: "x", file: "x" }];
    assert.throws(
      plan({ blocks: wrong }),
      refused(/goes to device "stroage", but the kernel declares block device storage, tls/),
    );
    const twice = [...SPEC.blocks, { device: "tls", volume: "x", file: "x" }];
    assert.throws(plan({ blocks: twice }), refused(/2 volumes go to device "tls"/));
    const many = Array.from({ length: 31 }, (_, i) => ({ name: `n${i}`, type: "net" }) as const);
    assert.throws(plan({ devices: many, blocks: [] }), refused(/31 devices/));
    assert.throws(plan({ network: { kind: "tap", interfaces: {} } }), refused(/no network interface/));
    assert.throws(plan({ network: { kind: "tap", interfaces: { service: "tap0,id=x" } } }), refused(/not the name/));
  });
});

describe("planSolo5", () => {
  const spec: GuestSpec = {
    ...SPEC,
    target: "hvt",
    network: { kind: "tap", interfaces: { service: "tap0" } },
    blocks: [
      { device: "tls", volume: "tls", file: "tls.img" },
      { device: "storage", volume: "data", file: "data.img" },
    ],
  };
  it("names devices, and separates the guest's arguments", () => {
    assert.deepEqual(planSolo5(spec, { kind: "hvt" }).argv, [
      "solo5-hvt",
      ...words(
        "--mem=64 --net:service=tap0 --block:storage=data.img --block:tls=tls.img -- kernel --ipv4=10.0.2.15/24",
      ),
      "--name=a, b",
    ]);
  });
  it("refuses what the tender would misread", () => {
    assert.throws(() => planSolo5(SPEC, { kind: "spt" }), refused(/runs kernels for spt; this one is for virtio/));
    assert.throws(() => planSolo5({ ...spec, memory: 8192 }, { kind: "hvt" }), refused(/at most 4096/));
    const spaced = [{ device: "tls", volume: "tls", file: "/a b/tls.img" }, spec.blocks[1]] as GuestSpec["blocks"];
    assert.throws(() => planSolo5({ ...spec, blocks: spaced }, { kind: "hvt" }), refused(/white space/));
    const long = { kind: "tap", interfaces: { service: "a".repeat(20) } } as const;
    assert.throws(() => planSolo5({ ...spec, network: long }, { kind: "hvt" }), refused(/not a name of an interface/));
  });
});

describe("planUnix and planCommand", () => {
  it("run the kernel itself", () => {
    const plan = planUnix({ ...SPEC, target: "unix", kernel: "./kernel", args: ["--port=0"] });
    assert.deepEqual(plan, { argv: ["./kernel", "--port=0"], reach: { kind: "printed", port: 8080 } });
    assert.throws(() => planUnix(SPEC), refused(/this one is for virtio/));
  });
  it("fill in a template, one word each, whatever is in it", () => {
    const template = ["vmm", "-k{kernel}", "{image:data}", "{image:tls}", "{memory}M", "{port}", "{args}", "{gateway}"];
    const { argv, reach } = planCommand(SPEC, template, 4321);
    const filled = ["vmm", "-kkernel", "/srv/data.img", "/tmp/a b,c/tls.img", "64M", "4321", ...SPEC.args, "10.0.2.2"];
    assert.deepEqual(argv, filled);
    assert.deepEqual(reach, { kind: "printed", port: 4321 });
    assert.throws(() => planCommand(SPEC, ["x", "{imgae:data}", "{}"], 1), refused(/\{imgae:data\}, \{\}/));
    assert.throws(() => planCommand(SPEC, [], 1), refused(/empty/));
  });
  it("split a text into words without a shell", () => {
    assert.deepEqual(splitWords(` a  "b c"'d' e\\ f "" '$HOME' ;rm`), ["a", "b cd", "e f", "", "$HOME", ";rm"]);
    assert.throws(() => splitWords("a 'b"), refused(/open '/));
  });
});

describe("arguments", () => {
  it("are those of production on the check's own network", () => {
    const production = ["--ipv4=10.0.0.2/24", "--tls=false", "--ipv4-gateway", "10.0.0.1", "-l", "debug"];
    const expected = ["--tls=false", "-l", "debug", "--ipv4=10.0.2.15/24", "--ipv4-gateway=10.0.2.2"];
    assert.deepEqual(guestArgs(production, undefined, 80), expected);
    assert.deepEqual(guestArgs(production, ["--ip={ip}", "--port={port}"], 80), ["--ip=10.0.2.15", "--port=80"]);
  });
  it("of a host executable begin with its images", () => {
    const images = new Map([
      ["data", "storage"],
      ["storage", "storage"],
    ]);
    assert.deepEqual(unixArgs(["--v", "--ipv4=1.2.3.4/5"], undefined, images, 80), ["storage", "--v", "--port=0"]);
    assert.deepEqual(unixArgs([], ["-i", "{image:data}", "{image:x}"], images, 80), ["-i", "storage", "{image:x}"]);
  });
});

describe("netnsOrder", () => {
  it("makes a tap for each network device and gives the first our address", () => {
    const taps = tapNames(["service", "other"]);
    assert.deepEqual(taps, { service: "tap0", other: "tap1" });
    const plan = { argv: ["solo5-spt"], reach: { kind: "socket", path: "relay.sock" } } as const;
    assert.deepEqual(netnsOrder(plan, Object.values(taps), 80), {
      network: [
        "link set dev lo up",
        "tuntap add dev tap0 mode tap",
        "address add 10.0.2.2/24 dev tap0",
        "link set dev tap0 up",
        "tuntap add dev tap1 mode tap",
        "link set dev tap1 up",
      ],
      argv: ["solo5-spt"],
      guest: "10.0.2.15",
      port: 80,
      socket: "relay.sock",
    });
  });
});
