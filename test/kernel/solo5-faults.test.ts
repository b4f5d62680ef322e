/** One malformed Solo5 kernel for each thing that can be wrong with one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Device, inspectKernel, isSound, type KernelInfo } from "../../src/kernel/kernel.ts";
import type { KernelProblemCode } from "../../src/kernel/problem.ts";
import { bytesSource } from "../../src/util/bytes.ts";
import {
  abiNote,
  elfNote,
  manifestNote,
  type SegmentSpec,
  type Solo5Spec,
  solo5Kernel,
  words,
} from "../support/elf.ts";

const inspect = (spec: Solo5Spec): KernelInfo => inspectKernel(bytesSource(solo5Kernel(spec)));
const DEVICES: readonly Device[] = [
  { name: "storage", type: "block" },
  { name: "service", type: "net" },
];
const many = (count: number): Device[] =>
  Array.from({ length: count }, (_, i) => ({ name: `d${i}`, type: i % 2 === 0 ? "block" : "net" }));

const loads =
  (change: (segment: SegmentSpec, index: number) => Partial<SegmentSpec>) => (segments: readonly SegmentSpec[]) => {
    let index = 0;
    return segments.map((segment) => (segment.type === "load" ? { ...segment, ...change(segment, index++) } : segment));
  };
const notes =
  (edit: (notes: readonly SegmentSpec[]) => readonly SegmentSpec[]) => (segments: readonly SegmentSpec[]) => [
    ...segments.filter(({ type }) => type !== "note"),
    ...edit(segments.filter(({ type }) => type === "note")),
  ];
const extra = (type: number, name: string | Buffer, attached = 0) => ({
  manifest: manifestNote(DEVICES, { extra: [{ type, name, attached }] }),
});

/** A kernel with one fault, and what must be said about it. */
interface Fault {
  readonly code: KernelProblemCode;
  readonly spec: Solo5Spec;
  /** What remains known; "hvt" unless told. */
  readonly target?: KernelInfo["target"];
  readonly manifest?: KernelInfo["manifest"];
  readonly severity?: "warning";
  /** Other codes that the same fault brings with it. */
  readonly also?: readonly KernelProblemCode[];
}

const invalid = { manifest: "invalid" } as const;

const FAULTS: Readonly<Record<string, Fault>> = {
  "no ABI note": { code: "abi-note-missing", spec: { abi: null }, target: null },
  "an ABI note of 8 bytes": {
    code: "abi-note-too-short",
    spec: { abi: elfNote({ owner: "Solo5", type: 0x31494241, desc: words(1, 2) }) },
    target: null,
  },
  "an ABI note that its segment cuts off": {
    code: "abi-note-too-short",
    spec: { abi: abiNote(1, 2).subarray(0, 32) },
    target: null,
    also: ["note-truncated"],
  },
  "an ABI note of 20 bytes": {
    code: "abi-note-size",
    spec: { abi: elfNote({ owner: "Solo5", type: 0x31494241, desc: words(1, 2, 0, 0, 0) }) },
    target: null,
  },
  "an ABI note behind another note": {
    code: "abi-note-not-first",
    spec: { abi: Buffer.concat([elfNote({ owner: "OpenBSD", type: 1, desc: words(0) }), abiNote(1, 2)]) },
  },
  "an ABI note in a section only": {
    code: "abi-note-not-loaded",
    spec: { abi: null, manifest: null, sections: [{ name: ".note.solo5.abi", type: 7, data: abiNote(1, 2) }] },
    target: null,
    manifest: "none",
  },
  "two ABI notes": {
    code: "abi-note-duplicate",
    spec: { edit: notes((all) => [...all, { type: "note", data: abiNote(2, 2) }]) },
    severity: "warning",
  },
  "an unknown target": { code: "abi-target-unknown", spec: { abi: abiNote(7, 2) }, target: null },
  "an unknown ABI version": { code: "abi-version-unknown", spec: { abiVersion: 9 }, severity: "warning" },
  "reserved words in use": {
    code: "abi-reserved",
    spec: { abi: elfNote({ owner: "Solo5", type: 0x31494241, desc: words(1, 2, 3, 0) }) },
    severity: "warning",
  },
  "no manifest": { code: "manifest-missing", spec: { manifest: null }, manifest: "none" },
  "a manifest that its segment cuts off": {
    code: "manifest-truncated",
    spec: { manifest: manifestNote(DEVICES).subarray(0, -8) },
    ...invalid,
    also: ["note-truncated"],
  },
  "a manifest of one byte, as Solo5's buggyelf": {
    code: "manifest-size",
    spec: { manifest: elfNote({ owner: "Solo5", type: 0x3154464d, desc: Buffer.alloc(1) }) },
    ...invalid,
  },
  "fewer entries than the manifest has room for": {
    code: "manifest-size",
    spec: { manifest: manifestNote(DEVICES, { entries: 2 }) },
    ...invalid,
  },
  "more entries than the manifest has room for": {
    code: "manifest-size",
    spec: { manifest: manifestNote(DEVICES, { entries: 4 }) },
    ...invalid,
  },
  "a manifest of version 2": {
    code: "manifest-version",
    spec: { manifest: manifestNote(DEVICES, { version: 2 }) },
    ...invalid,
  },
  "no entries": { code: "manifest-entries", spec: { manifest: manifestNote([], { entries: 0 }) }, ...invalid },
  "65 entries": { code: "manifest-entries", spec: { devices: many(64) }, ...invalid },
  "4 billion entries": {
    code: "manifest-entries",
    spec: { manifest: manifestNote([], { entries: 0xffffffff }) },
    ...invalid,
  },
  "a first entry that is a device": {
    code: "manifest-first-entry",
    spec: { manifest: manifestNote(DEVICES, { first: { type: 1 } }) },
    ...invalid,
  },
  "a first entry with a name": {
    code: "manifest-first-entry",
    spec: { manifest: manifestNote(DEVICES, { first: { name: "x" } }) },
    ...invalid,
  },
  "a manifest behind another note": {
    code: "manifest-not-first",
    spec: { manifest: Buffer.concat([elfNote({ owner: "OpenBSD", type: 1, desc: words(0) }), manifestNote(DEVICES)]) },
  },
  "two manifests": {
    code: "manifest-duplicate",
    spec: { edit: notes((all) => [...all, { type: "note", data: manifestNote([]) }]) },
    severity: "warning",
  },
  "a name without an end": { code: "device-name-unterminated", spec: extra(1, "a".repeat(68)), ...invalid },
  "an empty name": { code: "device-name-empty", spec: extra(1, ""), ...invalid },
  "a name with a hyphen": { code: "device-name-alphabet", spec: extra(1, "my-disk") },
  "a name with an escape sequence": { code: "device-name-alphabet", spec: extra(1, Buffer.from("\x1b[2Jx")) },
  "a name twice": { code: "device-name-duplicate", spec: extra(2, "storage") },
  "an unknown type": { code: "device-type", spec: extra(3, "tape"), ...invalid },
  "a second reserved entry": { code: "device-type", spec: extra(0x40000000, "x"), ...invalid },
  "a device that is attached": { code: "device-attached", spec: extra(1, "disk", 1), ...invalid },
  "a reserved entry that is attached": {
    code: "device-attached",
    spec: { manifest: manifestNote(DEVICES, { first: { attached: 1 } }) },
    ...invalid,
  },
  "an empty note segment, as *.stub files have": {
    code: "note-segment-too-short",
    spec: { edit: notes((all) => [...all, { type: "note", data: Buffer.alloc(0) }]) },
  },
  "writable code": { code: "segment-writable-executable", spec: { edit: loads(() => ({ flags: "rwx" })) } },
  "position independence": { code: "pie", spec: { type: 3 } },
  "an object file": { code: "elf-type", spec: { type: 1 } },
  "an entry below 1 MiB": { code: "entry-too-low", spec: { entry: 0x1000n }, also: ["entry-outside-segments"] },
  "an entry outside of the code": { code: "entry-outside-segments", spec: { entry: 0x900000n } },
  "a segment above 4 GiB": {
    code: "segment-too-high",
    spec: { edit: loads((_, i) => (i === 1 ? { vaddr: 0x100000000n } : {})) },
  },
  "a segment below 1 MiB": {
    code: "segment-too-low",
    spec: { edit: loads((_, i) => (i === 0 ? { vaddr: 0x1000n } : {})) },
    also: ["entry-outside-segments"],
  },
  "segments out of order": {
    code: "segment-order",
    spec: { edit: loads((_, i) => ({ vaddr: BigInt(0x102000 - i * 0x2000) })) },
    also: ["segment-overlap"],
  },
  "segments that overlap": {
    code: "segment-overlap",
    spec: { edit: loads((_, i) => (i === 0 ? { memSize: 5000 } : {})) },
  },
  "an alignment of 3": { code: "segment-alignment", spec: { edit: loads(() => ({ align: 3 })) } },
  "an alignment of 16": { code: "segment-alignment", spec: { edit: loads(() => ({ align: 16 })) } },
  "less memory than file": { code: "segment-size", spec: { data: Buffer.alloc(64), bss: -8 } },
  "an address that wraps": {
    code: "segment-address",
    also: ["segment-too-high"],
    spec: { edit: loads((_, i) => (i === 1 ? { vaddr: 0xfffffffffffff000n } : {})) },
  },
  "no bytes to load": {
    code: "segment-missing",
    spec: { edit: loads(() => ({ data: Buffer.alloc(0), memSize: 4096 })) },
  },
  "a machine without Solo5": { code: "elf-machine", spec: { machine: 243 } },
  "32 bits": { code: "elf-class", spec: { class: 32 } },
};

describe("inspectKernel on malformed Solo5 kernels", () => {
  it("is fine with the kernel that the faults are put into", () => {
    assert.deepEqual(inspect({ devices: DEVICES }).problems, []);
  });

  for (const [name, fault] of Object.entries(FAULTS)) {
    it(`says ${fault.code} for ${name}`, () => {
      const info = inspect({ devices: DEVICES, ...fault.spec });
      const codes = new Set(info.problems.map(({ code }) => code));
      assert.deepEqual([...codes].sort(), [fault.code, ...(fault.also ?? [])].sort());
      const found = info.problems.find(({ code }) => code === fault.code);
      assert.equal(
        found?.severity,
        info.target === null && found?.severity === "warning" ? "warning" : (fault.severity ?? "error"),
      );
      assert.equal(info.target, fault.target === undefined ? "hvt" : fault.target);
      assert.equal(info.manifest, fault.manifest ?? "read");
      if (info.manifest !== "read") assert.deepEqual(info.devices, []);
      assert.equal(isSound(info), fault.severity === "warning");
    });
  }

  it("takes big-endian files for what they are", () => {
    const info = inspect({
      endian: "big",
      abi: elfNote({ owner: "Solo5", type: 0x31494241, desc: words(1, 2, 0, 0), endian: "big" }),
    });
    assert.equal(info.target, "hvt");
    assert.ok(info.problems.some(({ code }) => code === "elf-endian"));
    assert.ok(!isSound(info));
  });

  it("warns only, where no tender loads the kernel", () => {
    const info = inspect({ target: "virtio", edit: loads(() => ({ flags: "rwx" })) });
    assert.deepEqual(
      info.problems.map(({ code, severity }) => [code, severity]),
      [
        ["segment-writable-executable", "warning"],
        ["segment-writable-executable", "warning"],
      ],
    );
    assert.deepEqual(info.writableExecutable, [0, 1]);
  });

  it("does not take a note of another owner for Solo5's", () => {
    for (const nameSize of [5, 7, 8]) {
      const abi = elfNote({ owner: "Solo5", type: 0x31494241, desc: words(1, 2, 0, 0), nameSize });
      assert.equal(inspect({ abi, manifest: null }).target, null);
    }
  });
});
