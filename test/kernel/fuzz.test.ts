/**
 * Whatever the bytes, there is an answer: no exception, no second of thinking, no unsound kernel that looks sound.
 * `FUZZ_RUNS=200000 node --test test/kernel/fuzz.test.ts` for the long run; four cases of five are mutated valid files.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fc } from "../support/fuzz.ts";
import { inspectKernel, isSound, type KernelInfo } from "../../src/kernel/kernel.ts";
import { KERNEL_PROBLEM_CODES } from "../../src/kernel/problem.ts";
import { bytesSource } from "../../src/util/bytes.ts";
import {
  buildElf,
  elfNote,
  manifestNote,
  multibootHeader,
  type SegmentSpec,
  solo5Kernel,
  words,
  xenNote,
} from "../support/elf.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 4000);
const TIME_LIMIT = 5000;

const DEVICES = [
  { name: "storage", type: "block" },
  { name: "service", type: "net" },
] as const;
const code: SegmentSpec = { type: "load", flags: "r-x", vaddr: 0x100000n, data: multibootHeader(), section: ".text" };
const strings: SegmentSpec = { type: "load", vaddr: 0x200000n, data: Buffer.from("\0libm.so.6\0libc.so.6\0") };
const interp: SegmentSpec = { type: "interp", data: Buffer.from("/lib/ld.so\0") };
const dynamic: SegmentSpec = { type: "dynamic", data: words(1, 0, 1, 0, 1, 0, 11, 0, 5, 0, 0x200000, 0, 0, 0, 0, 0) };
const note = (data: Buffer, section = ".note"): SegmentSpec => ({ type: "note", data, section });
const XEN = Buffer.concat([xenNote(6, "linux"), xenNote(8, "generic"), xenNote(5, "xen-3.0"), xenNote(18, 0x100000)]);
const PLAIN = { name: ".uk_bootinfo", type: 1, data: Buffer.alloc(8) };

/** Valid files of every kind that has a reader. */
const SEEDS: readonly Buffer[] = [
  ...(["hvt", "spt", "virtio", "muen", "xen"] as const).map((target) => solo5Kernel({ target, devices: DEVICES })),
  buildElf({ segments: [code, note(XEN)], sections: [{ name: ".note.Xen", type: 7, data: XEN }] }),
  buildElf({ class: 32, machine: 3, segments: [code, note(XEN)] }),
  buildElf({
    endian: "big",
    machine: 21,
    segments: [code, note(elfNote({ owner: "GNU", type: 1, desc: words(0), endian: "big" }))],
  }),
  buildElf({ segments: [code], sections: [PLAIN] }),
  buildElf({ segments: [interp, code, strings, dynamic] }),
  buildElf({
    class: 32,
    machine: 40,
    segments: [interp, code, { ...dynamic, data: words(1, 1, 5, 0x200000, 0, 0) }, strings],
  }),
  bzImage(),
];

function bzImage(): Buffer {
  const bytes = Buffer.alloc(2048);
  bytes[0x1f1] = 1;
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write("HdrS", 0x202);
  bytes.writeUInt16LE(0x20f, 0x206);
  return bytes;
}

/** Where the structures are: a byte changed in the middle of code would teach nothing. */
const structural = (bytes: Buffer): readonly number[] => {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; at++) if (at < 0x270 || bytes[at] !== 0) places.push(at);
  return places;
};
const PLACES = SEEDS.map(structural);

type Edit =
  | { readonly kind: "byte"; readonly at: number; readonly value: number }
  | { readonly kind: "word"; readonly at: number; readonly value: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "insert" | "remove"; readonly at: number; readonly value: number };

const INTERESTING = [0, 1, 2, 4, 11, 12, 19, 20, 64, 104, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];
const at = fc.nat({ max: 1 << 20 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("byte" as const), at, value: fc.nat({ max: 255 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("word" as const),
      at,
      value: fc.oneof(fc.constantFrom(...INTERESTING), fc.nat({ max: 0xffffffff })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("insert" as const, "remove" as const),
      at,
      value: fc.nat({ max: 300 }),
    }),
  },
);

function mutate(seed: number, edits: readonly Edit[]): Buffer {
  const places = PLACES[seed] as readonly number[];
  let bytes = Buffer.from(SEEDS[seed] as Buffer);
  for (const change of edits) {
    const place = Math.min(places[change.at % places.length] as number, bytes.length);
    if (change.kind === "cut") bytes = bytes.subarray(0, change.at % (bytes.length + 1));
    else if (change.kind === "insert") {
      bytes = Buffer.concat([bytes.subarray(0, place), Buffer.alloc(change.value, 0x41), bytes.subarray(place)]);
    } else if (change.kind === "remove") {
      bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + change.value)]);
    } else if (change.kind === "byte" && place < bytes.length) bytes[place] = change.value;
    else if (change.kind === "word" && (place & ~3) + 4 <= bytes.length) bytes.writeUInt32LE(change.value, place & ~3);
  }
  return bytes;
}

const mutated = fc
  .tuple(fc.nat({ max: SEEDS.length - 1 }), fc.array(edit, { minLength: 1, maxLength: 6 }))
  .map(([seed, edits]) => mutate(seed, edits));
const noise = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc
    .tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 400 }))
    .map(([bits, order, rest]) => Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, bits, order]), rest])),
);
const hostile = fc.oneof({ weight: 9, arbitrary: mutated }, { weight: 1, arbitrary: noise });

function check(bytes: Uint8Array): KernelInfo {
  const started = performance.now();
  const info = inspectKernel(bytesSource(bytes));
  const took = performance.now() - started;
  assert.ok(took < TIME_LIMIT, `took ${took} ms`);
  assert.equal(info.size, bytes.length);
  assert.ok(info.reason.length > 0);
  assert.ok(info.devices.length <= 63);
  assert.ok(Number.isSafeInteger(info.memory) && info.memory >= 0);
  for (const { code: found, message } of info.problems) {
    assert.ok(KERNEL_PROBLEM_CODES.includes(found));
    assert.match(message, /^[\x20-\x7e]+$/);
  }
  if (info.manifest !== "read") assert.deepEqual(info.devices, []);
  if (info.manifest === "invalid") assert.ok(!isSound(info));
  assert.deepEqual(JSON.parse(JSON.stringify(info)), info);
  return info;
}

describe("inspectKernel on hostile bytes", () => {
  it("knows the files that are mutated", () => {
    for (const seed of SEEDS) assert.ok(isSound(check(seed)), JSON.stringify(check(seed)));
  });

  it(`always answers, within a second (${RUNS} cases)`, () => {
    fc.assert(
      fc.property(hostile, (bytes) => void check(bytes)),
      { numRuns: RUNS },
    );
  });

  it("never reports devices that are not what a tender would read", () => {
    const size = manifestNote(DEVICES).length;
    const offset = solo5Kernel({ devices: DEVICES }).indexOf(manifestNote(DEVICES));
    const change = fc.tuple(fc.nat({ max: size - 1 }), fc.nat({ max: 255 }));
    const property = fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = solo5Kernel({ devices: DEVICES });
      for (const [place, value] of changes) bytes[offset + place] = value;
      const info = check(bytes);
      const expected = tenderView(bytes.subarray(offset, offset + size));
      assert.equal(info.manifest === "read", expected !== null);
      if (expected !== null)
        assert.deepEqual(
          info.devices.map(({ type }) => type),
          expected,
        );
    });
    fc.assert(property, { numRuns: Math.ceil(RUNS / 4) });
  });
});

/** Solo5's own rules (tenders/common/mft.c), said once more: the types, or null when it refuses the manifest. */
function tenderView(manifest: Buffer): readonly string[] | null {
  const header = Buffer.from("06000000dc0100004d465431536f6c6f35", "hex");
  header.writeUInt32LE(4 + 8 + 3 * 104, 4);
  const [version, entries] = [manifest.readUInt32LE(24), manifest.readUInt32LE(28)];
  if (!manifest.subarray(0, header.length).equals(header) || manifest[17] !== 0) return null;
  if (version !== 1 || entries !== 3) return null;
  const at = (index: number) => manifest.subarray(32 + index * 104, 136 + index * 104);
  if (at(0).readUInt32LE(68) !== 0x40000000 || at(0)[0] !== 0) return null;
  if ([0, 1, 2].some((i) => at(i)[67] !== 0 || at(i)[96] !== 0)) return null;
  const types = [at(1), at(2)].map((entry) => ["", "block", "net"][entry.readUInt32LE(68)]);
  const named = at(1)[0] !== 0 && at(2)[0] !== 0;
  return named && types.every((type) => type !== undefined && type !== "") ? (types as string[]) : null;
}
