/** Checks of kernels: each fixture fails its check, and passes it with only the fault removed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kernelDevices } from "../../src/checks/kernel-devices.ts";
import { kernelEmbeddedSite } from "../../src/checks/kernel-embedded-site.ts";
import { kernelFormat } from "../../src/checks/kernel-format.ts";
import { kernelTarget } from "../../src/checks/kernel-target.ts";
import { buildElf, elfNote, type SegmentSpec, type Solo5Spec, solo5Kernel, words } from "../support/elf.ts";
import { findingsOf, type ReleaseSpec } from "../support/release.ts";

const STORAGE = [{ name: "storage", type: "block" }] as const;
const NET = { name: "service", type: "net" } as const;
const SITE = { data: { "index.html": "<p>hello</p>" } };

const release = (kernel: Solo5Spec = {}, rest: ReleaseSpec = {}): ReleaseSpec => ({
  kernels: { "www.hvt": solo5Kernel({ devices: STORAGE, ...kernel }) },
  sites: SITE,
  ...rest,
});
const messages = (findings: readonly { readonly message: string }[]) =>
  findings.map(({ message }) => message).join("\n");

describe("kernel-target", () => {
  it("asks for a kernel that something identifies", async () => {
    const [finding, ...more] = await findingsOf(kernelTarget, { kernels: { "www.hvt": buildElf() } });
    assert.equal(finding?.severity, "error");
    assert.equal(finding?.path, "kernels/www.hvt");
    assert.ok(finding?.hint);
    assert.deepEqual(more, []);
    assert.deepEqual(await findingsOf(kernelTarget, release()), []);
  });

  it("asks for the target that was asked for", async () => {
    const wants = (target: unknown) => ({ settings: { "kernel-target": { target } } });
    const found = await findingsOf(kernelTarget, release(), wants("spt"));
    assert.match(messages(found), /^kernels\/www\.hvt was built for hvt, asked for is spt$/);
    assert.deepEqual(await findingsOf(kernelTarget, release(), wants("hvt")), []);
    assert.match(
      messages(await findingsOf(kernelTarget, release(), wants(["hvt", "xen"]))),
      /no kernel of the release is for xen/,
    );
  });

  it("asks for the ABI version of the tender", async () => {
    const runs = (solo5: string) => ({ settings: { "kernel-target": { solo5 } } });
    const found = await findingsOf(kernelTarget, release(), runs("0.7.5"));
    assert.match(messages(found), /ABI version 2 for hvt; the tender of Solo5 0\.7\.5 accepts only 1/);
    assert.match(found[0]?.hint ?? "", /0\.8\.0 and later/);
    for (const version of ["0.8.0", "0.12.1", "0.13.0", "1.0"]) {
      assert.deepEqual(await findingsOf(kernelTarget, release(), runs(version)), [], version);
    }
    assert.deepEqual(await findingsOf(kernelTarget, release({ abiVersion: 1 }), runs("0.7.5")), []);
    assert.equal((await findingsOf(kernelTarget, release({ abiVersion: 1 }), runs("0.12.1"))).length, 1);
    const genode = release({ target: "genode" });
    assert.match(messages(await findingsOf(kernelTarget, genode, runs("0.12.1"))), /has no target genode/);
  });

  it("warns of two kernels for one target", async () => {
    const kernel = solo5Kernel({ devices: STORAGE });
    const two = { ...release(), kernels: { "a.hvt": kernel, "b.hvt": kernel } };
    assert.deepEqual(
      (await findingsOf(kernelTarget, two)).map(({ severity }) => severity),
      ["warning"],
    );
  });
});

describe("kernel-format", () => {
  const asError: readonly (readonly [string, Solo5Spec, RegExp])[] = [
    [
      "writable and executable segments",
      { edit: (all) => all.map((s) => (s.section === ".text" ? { ...s, flags: "rwx" } : s)) },
      /segment-writable-executable/,
    ],
    ["a position-independent kernel", { type: 3 }, /\[pie\]/],
    ["an entry that is too low", { entry: 0x1000n }, /entry-too-low/],
    [
      "a manifest of a wrong size",
      { manifest: elfNote({ owner: "Solo5", type: 0x3154464d, desc: words(0) }) },
      /manifest-/,
    ],
  ];
  for (const [what, fault, code] of asError) {
    it(`refuses ${what}`, async () => {
      const found = await findingsOf(kernelFormat, release(fault));
      assert.match(messages(found), code);
      assert.ok(found.some(({ severity }) => severity === "error"));
      assert.ok(found.every(({ path, hint }) => path === "kernels/www.hvt" && hint));
      assert.deepEqual(await findingsOf(kernelFormat, release()), []);
    });
  }

  it("warns of a note that is cut short", async () => {
    const cut: SegmentSpec = { type: "note", data: elfNote({ owner: "GNU", type: 3, desc: words(1), descSize: 400 }) };
    const found = await findingsOf(kernelFormat, release({ edit: (all) => [...all, cut] }));
    assert.deepEqual(
      found.map(({ severity }) => severity),
      ["warning"],
    );
    assert.match(messages(found), /note-truncated/);
    const whole: SegmentSpec = { type: "note", data: elfNote({ owner: "GNU", type: 3, desc: words(1) }) };
    assert.deepEqual(await findingsOf(kernelFormat, release({ edit: (all) => [...all, whole] })), []);
  });
});

describe("kernel-devices", () => {
  it("wants each volume's device in the kernel, and each device filled", async () => {
    const found = await findingsOf(kernelDevices, release({}, { devices: { data: "data" } }));
    assert.match(messages(found), /volume data goes to device "data", but the kernel declares block device storage/);
    assert.match(messages(found), /declares block device "storage", and no volume goes to it/);
    assert.ok(found.every(({ severity, path, hint }) => severity === "error" && path === "kernels/www.hvt" && hint));
    assert.deepEqual(await findingsOf(kernelDevices, release({}, { devices: { data: "storage" } })), []);
  });

  it("counts secret volumes", async () => {
    const devices = [...STORAGE, { name: "tls", type: "block" }] as const;
    assert.equal((await findingsOf(kernelDevices, release({ devices }, { devices: { data: "storage" } }))).length, 1);
    const both = release({ devices }, { secrets: ["tls"], devices: { data: "storage" } });
    assert.deepEqual(await findingsOf(kernelDevices, both), []);
  });

  it("refuses two volumes on one device", async () => {
    const two = (other: string) =>
      release(
        { devices: [...STORAGE, { name: "tls", type: "block" }] },
        { secrets: ["tls"], devices: { data: "storage", tls: other } },
      );
    assert.match(messages(await findingsOf(kernelDevices, two("storage"))), /both go to device "storage"/);
    assert.deepEqual(await findingsOf(kernelDevices, two("tls")), []);
  });

  it("refuses names that no tender takes", async () => {
    const named = (name: string) => release({ devices: [{ name, type: "block" }] });
    const found = await findingsOf(kernelDevices, named("my-site"));
    assert.match(messages(found), /other characters than letters and digits/);
    assert.equal(found[0]?.severity, "error");
    assert.deepEqual(await findingsOf(kernelDevices, named("mysite")), []);
  });

  it("notes that virtio binds by order, where there is an order", async () => {
    const virtio = (devices: Solo5Spec["devices"], secrets: readonly string[]) =>
      release({ target: "virtio", devices: devices ?? [] }, { secrets, devices: { data: "storage" } });
    const found = await findingsOf(kernelDevices, virtio([{ name: "tls", type: "block" }, ...STORAGE], ["tls"]));
    assert.deepEqual(
      found.map(({ severity }) => severity),
      ["note"],
    );
    assert.match(messages(found), /tls, storage/);
    assert.deepEqual(await findingsOf(kernelDevices, virtio([...STORAGE, NET], [])), []);
  });

  it("knows Xen's order of disks", async () => {
    const xen = (devices: Readonly<Record<string, string>>, secrets: readonly string[] = []) =>
      release({ target: "xen", devices: [] }, { secrets, devices });
    assert.match(
      messages(await findingsOf(kernelDevices, xen({ data: "xvda" }))),
      /will be xvdb: xvda is never looked at/,
    );
    assert.deepEqual(await findingsOf(kernelDevices, xen({ data: "xvdb" })), []);
    const swapped = await findingsOf(kernelDevices, xen({ data: "xvdc", tls: "xvdb" }, ["tls"]));
    assert.equal(swapped.filter(({ severity }) => severity === "error").length, 2);
    const inOrder = await findingsOf(kernelDevices, xen({ data: "xvdb", tls: "xvdc" }, ["tls"]));
    assert.deepEqual(
      inOrder.map(({ severity }) => severity),
      ["note"],
    );
  });

  describe("of a release that is to be runnable by urunc", () => {
    const SITE_NET: Solo5Spec["devices"] = [{ name: "site", type: "block" }, NET];
    const runnable = { registry: true, runnable: true };
    const severities = (found: Awaited<ReturnType<typeof findingsOf>>) => found.map(({ severity }) => severity);

    it("says which kernels need urunc 0.8, for the names of their devices", async () => {
      const found = await findingsOf(kernelDevices, release({ devices: SITE_NET }), runnable);
      assert.deepEqual(severities(found), ["note"]);
      assert.match(messages(found), /before 0\.8 .*"storage", the kernel "site"/);
      assert.deepEqual(await findingsOf(kernelDevices, release({ devices: [...STORAGE, NET] }), runnable), []);
    });

    it("says nothing of it elsewhere", async () => {
      assert.deepEqual(await findingsOf(kernelDevices, release({ devices: SITE_NET }), { registry: true }), []);
    });

    it("is an error where urunc can run no kernel, with every reason", async () => {
      const two = release(
        { devices: [...STORAGE, { name: "tls", type: "block" }, NET, { name: "admin", type: "net" }] },
        { secrets: ["tls"], devices: { data: "storage" } },
      );
      const found = await findingsOf(kernelDevices, two, runnable);
      assert.deepEqual(severities(found), ["error"]);
      assert.match(messages(found), /one block device, the release has 2 \(data, tls\)/);
      assert.match(messages(found), /secret volume tls must never be/);
      assert.match(messages(found), /one network, the kernel declares 2/);
    });

    it("is an error for a kernel without a network, which a pod always has", async () => {
      assert.deepEqual(severities(await findingsOf(kernelDevices, release({ devices: STORAGE ?? [] }), runnable)), [
        "error",
      ]);
    });

    it("notes the kernels that are left out where another one runs", async () => {
      const one = release({ devices: [...STORAGE, NET] });
      const xen = release({ target: "xen", devices: [] });
      const found = await findingsOf(
        kernelDevices,
        { ...one, kernels: { ...one.kernels, "www.xen": Object.values(xen.kernels ?? {})[0] as Uint8Array } },
        runnable,
      );
      assert.deepEqual(severities(found), ["note"]);
      assert.match(messages(found), /this one is for xen/);
    });
  });
});

describe("kernel-embedded-site", () => {
  const page = (seed: number, size: number) => {
    const bytes = Buffer.alloc(size);
    for (let i = 0, state = seed; i < size; i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      bytes[i] = state >>> 16;
    }
    return bytes;
  };
  const files = { "index.html": page(1, 9000), "a.bin": page(2, 5000), "b.bin": page(3, 70_000), "small.txt": "small" };
  const withData = (data: Buffer): ReleaseSpec => ({
    kernels: { "www.hvt": solo5Kernel({ devices: [{ name: "data", type: "block" }], data }) },
    sites: { data: files },
  });
  const own = Buffer.from("the kernel's own data");

  it("counts the files and bytes of a site that is still in the kernel", async () => {
    const pieces = [own, files["a.bin"], files["index.html"], files["b.bin"]];
    const [finding, ...more] = await findingsOf(kernelEmbeddedSite, withData(Buffer.concat(pieces)));
    assert.equal(finding?.severity, "warning");
    assert.equal(finding?.path, "kernels/www.hvt");
    assert.match(finding?.message ?? "", /^3 of 3 files of the site \(84\.0 kB of 84\.0 kB\) are in/);
    assert.match(finding?.message ?? "", /1 file too small to recognise.*84\.0 kB smaller/);
    assert.deepEqual(more, []);
    assert.deepEqual(await findingsOf(kernelEmbeddedSite, withData(own)), []);
  });

  it("notes a single small file, which the kernel may have for itself", async () => {
    const [finding] = await findingsOf(kernelEmbeddedSite, withData(Buffer.concat([own, files["a.bin"]])));
    assert.equal(finding?.severity, "note");
    assert.match(finding?.message ?? "", /^1 of 3 files .*: a\.bin$/);
  });
});
