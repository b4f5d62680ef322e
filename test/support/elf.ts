/** Hand-made ELF files: small, valid unless asked otherwise, and the same bytes every time. */

export type Endian = "little" | "big";

/** One program header, and what it points at. */
export interface SegmentSpec {
  readonly type: "load" | "dynamic" | "interp" | "note" | "tls" | "relro";
  readonly data: Buffer;
  /** e.g. "r-x"; "r--" if absent. */
  readonly flags?: string;
  readonly vaddr?: bigint;
  /** `vaddr` if absent. */
  readonly paddr?: bigint;
  /** Bytes in memory; those of `data` if absent. */
  readonly memSize?: number;
  /** 4096 for loadable segments, else 4, if absent. */
  readonly align?: number;
  /** Makes a section of this name over the same bytes. */
  readonly section?: string;
}

/** A section that no program header points at. */
export interface SectionSpec {
  readonly name: string;
  readonly type: number;
  readonly data: Buffer;
}

export interface ElfSpec {
  readonly class?: 32 | 64;
  readonly endian?: Endian;
  readonly osAbi?: number;
  /** e_type; 2, an executable, if absent. */
  readonly type?: number;
  /** e_machine; 62, x86-64, if absent. */
  readonly machine?: number;
  readonly entry?: bigint;
  readonly segments?: readonly SegmentSpec[];
  readonly sections?: readonly SectionSpec[];
}

const TYPES = { load: 1, dynamic: 2, interp: 3, note: 4, tls: 7, relro: 0x6474e552 } as const;
const SIZES = { 32: { header: 52, segment: 32, section: 40 }, 64: { header: 64, segment: 56, section: 64 } } as const;

/** Writes integers of one byte order and address width one after the other. */
function writer(endian: Endian, wide: boolean) {
  const parts: Buffer[] = [];
  const put = (size: number, value: bigint) => {
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; i++)
      bytes[endian === "little" ? i : size - 1 - i] = Number((value >> BigInt(8 * i)) & 255n);
    parts.push(bytes);
  };
  return {
    half: (...values: number[]) => values.forEach((value) => put(2, BigInt(value))),
    word: (...values: number[]) => values.forEach((value) => put(4, BigInt(value))),
    /** An address, offset or size: 4 or 8 bytes. */
    address: (...values: (number | bigint)[]) => values.forEach((value) => put(wide ? 8 : 4, BigInt(value))),
    bytes: () => Buffer.concat(parts),
  };
}

/** An ELF file: header, program headers, the segments' bytes, sections, section names, section headers. */
export function buildElf(spec: ElfSpec = {}): Buffer {
  const { segments = [], sections = [] } = spec;
  const elfClass = spec.class ?? 64;
  const sizes = SIZES[elfClass];
  const pieces: Buffer[] = [Buffer.alloc(sizes.header + segments.length * sizes.segment)];
  let end = (pieces[0] as Buffer).length;
  const place = (data: Buffer, align: number): number => {
    const padding = (align - (end % align)) % align;
    pieces.push(Buffer.alloc(padding), data);
    end += padding + data.length;
    return end - data.length;
  };
  const offsets = segments.map(({ data, type, align }) => place(data, align ?? (type === "load" ? 4096 : 4)));
  const named = [
    ...segments.flatMap(({ section, type, data }, i) =>
      section === undefined
        ? []
        : [{ name: section, type: type === "note" ? 7 : 1, offset: offsets[i] as number, size: data.length }],
    ),
    ...sections.map(({ name, type, data }) => ({ name, type, offset: place(data, 4), size: data.length })),
  ];
  const table = named.length > 0 ? sectionTable(spec, named, place) : { offset: 0, count: 0 };
  const file = Buffer.concat(pieces);
  fileHeader(spec, table).copy(file, 0);
  segments.forEach((segment, i) =>
    segmentHeader(spec, segment, offsets[i] as number).copy(file, sizes.header + i * sizes.segment),
  );
  return file;
}

function fileHeader(spec: ElfSpec, table: { readonly offset: number; readonly count: number }): Buffer {
  const { class: elfClass = 64, endian = "little", osAbi = 0, type = 2, machine = 62, entry = 0x100000n } = spec;
  const sizes = SIZES[elfClass];
  const count = spec.segments?.length ?? 0;
  const out = writer(endian, elfClass === 64);
  out.half(type, machine);
  out.word(1);
  out.address(entry, sizes.header, table.offset);
  out.word(0);
  out.half(sizes.header, sizes.segment, count, sizes.section, table.count, Math.max(table.count - 1, 0));
  const ident = [0x7f, 0x45, 0x4c, 0x46, elfClass / 32, endian === "little" ? 1 : 2, 1, osAbi];
  return Buffer.concat([Buffer.from(ident), Buffer.alloc(8), out.bytes()]);
}

function segmentHeader(spec: ElfSpec, segment: SegmentSpec, offset: number): Buffer {
  const { type, data, flags = "r--", vaddr = 0n, paddr = vaddr, memSize = data.length } = segment;
  const align = segment.align ?? (type === "load" ? 4096 : 4);
  const bits = (flags.includes("r") ? 4 : 0) | (flags.includes("w") ? 2 : 0) | (flags.includes("x") ? 1 : 0);
  const wide = (spec.class ?? 64) === 64;
  const out = writer(spec.endian ?? "little", wide);
  out.word(TYPES[type]);
  if (wide) out.word(bits);
  out.address(offset, vaddr, paddr, data.length, memSize);
  if (!wide) out.word(bits);
  out.address(align);
  return out.bytes();
}

interface Named {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

function sectionTable(spec: ElfSpec, named: readonly Named[], place: (data: Buffer, align: number) => number) {
  const strings = Buffer.from(["", ...named.map(({ name }) => name), ".shstrtab", ""].join("\0"), "latin1");
  const all = [...named, { name: ".shstrtab", type: 3, offset: place(strings, 1), size: strings.length }];
  const wide = (spec.class ?? 64) === 64;
  const out = writer(spec.endian ?? "little", wide);
  const header = (nameAt: number, { type, offset, size }: Omit<Named, "name">) => {
    out.word(nameAt, type);
    out.address(0, 0, offset, size);
    out.word(0, 0);
    out.address(type === 0 ? 0 : 1, 0);
  };
  header(0, { type: 0, offset: 0, size: 0 });
  let nameAt = 1;
  for (const section of all) {
    header(nameAt, section);
    nameAt += section.name.length + 1;
  }
  return { offset: place(out.bytes(), 8), count: all.length + 1 };
}

export interface NoteSpec {
  readonly owner: string;
  readonly type: number;
  readonly desc: Buffer;
  /** What the header says, where that is not the truth. */
  readonly nameSize?: number;
  readonly descSize?: number;
  readonly endian?: Endian;
}

/** An ELF note, padded to 4 bytes. */
export function elfNote({ owner, type, desc, nameSize, descSize, endian = "little" }: NoteSpec): Buffer {
  const out = writer(endian, false);
  out.word(nameSize ?? owner.length + 1, descSize ?? desc.length, type);
  return Buffer.concat([out.bytes(), padded(Buffer.from(`${owner}\0`, "latin1")), padded(desc)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

/** Little-endian 32-bit words. */
export function words(...values: readonly number[]): Buffer {
  const out = writer("little", false);
  out.word(...values);
  return out.bytes();
}

/** The ABI version of current Solo5 releases. */
const CURRENT_ABI = { hvt: 2, spt: 2, virtio: 1, muen: 4, genode: 1, xen: 1 } as const;

export const SOLO5_TARGET_NUMBERS = { hvt: 1, spt: 2, virtio: 3, muen: 4, genode: 5, xen: 6 } as const;

export interface DeviceSpec {
  readonly name: string;
  readonly type: "block" | "net";
}

/** An entry of the manifest, each field of which can be made wrong. */
export interface EntrySpec {
  readonly name?: Buffer | string;
  readonly type?: number;
  readonly attached?: number;
}

export interface ManifestSpec {
  readonly version?: number;
  readonly entries?: number;
  readonly descSize?: number;
  /** Replaces the reserved first entry. */
  readonly first?: EntrySpec;
  /** Added after the devices. */
  readonly extra?: readonly EntrySpec[];
}

/** Solo5's MFT1 note. */
export function manifestNote(devices: readonly DeviceSpec[], spec: ManifestSpec = {}): Buffer {
  const entries: readonly EntrySpec[] = [
    { type: 0x40000000, ...spec.first },
    ...devices.map(({ name, type }) => ({ name, type: type === "block" ? 1 : 2 })),
    ...(spec.extra ?? []),
  ];
  const desc = Buffer.concat([
    words(0, spec.version ?? 1, spec.entries ?? entries.length),
    ...entries.map(manifestEntry),
  ]);
  return elfNote({
    owner: "Solo5",
    type: 0x3154464d,
    desc,
    ...(spec.descSize === undefined ? {} : { descSize: spec.descSize }),
  });
}

function manifestEntry({ name = "", type = 0, attached = 0 }: EntrySpec): Buffer {
  const entry = Buffer.alloc(104);
  Buffer.from(name).copy(entry, 0, 0, 68);
  entry.writeUInt32LE(type, 68);
  entry[96] = attached;
  return entry;
}

/** Solo5's ABI1 note. */
export function abiNote(target: number, version: number): Buffer {
  return elfNote({ owner: "Solo5", type: 0x31494241, desc: words(target, version, 0, 0) });
}

/** A Xen note with text or a 32-bit number. */
export function xenNote(type: number, value: string | number): Buffer {
  return elfNote({ owner: "Xen", type, desc: typeof value === "number" ? words(value) : Buffer.from(`${value}\0`) });
}

/** A Multiboot 1 header: magic, flags, checksum. */
export function multibootHeader(flags = 3): Buffer {
  return words(0x1badb002, flags, -(0x1badb002 + flags) >>> 0);
}

export interface Solo5Spec extends Omit<ElfSpec, "segments"> {
  readonly target?: keyof typeof SOLO5_TARGET_NUMBERS;
  /** That of the newest Solo5 if absent. */
  readonly abiVersion?: number;
  readonly devices?: readonly DeviceSpec[];
  /** The code and read-only data, loaded at 0x100000; a few instructions if absent. */
  readonly code?: Buffer;
  /** Writable data, loaded on the page after the code. */
  readonly data?: Buffer;
  /** Bytes of memory after the data. */
  readonly bss?: number;
  /** Replaces the ABI note; null leaves it out. */
  readonly abi?: Buffer | null;
  /** Replaces the manifest; null leaves it out. */
  readonly manifest?: Buffer | null;
  /** Changes the segments before they are laid out. */
  readonly edit?: (segments: readonly SegmentSpec[]) => readonly SegmentSpec[];
}

/** Where Solo5 kernels are linked. */
const LINK_ADDRESS = 0x100000n;
/** `cli; hlt; jmp` to the `hlt`: whoever runs it stops. */
const HALT = Buffer.from([0xfa, 0xf4, 0xeb, 0xfd]);

/**
 * A Solo5 kernel as the linker scripts lay it out: interpreter, a program header for each note, code, data. One for Xen
 * has a PVH note, and those for Xen and virtio a Multiboot header as well.
 */
export function solo5Kernel(spec: Solo5Spec = {}): Buffer {
  const { target = "hvt", devices = [], data = Buffer.from("data"), bss = 4096 } = spec;
  const abiVersion = spec.abiVersion ?? CURRENT_ABI[target];
  const multiboot = target === "xen" || target === "virtio" ? multibootHeader() : Buffer.alloc(0);
  const code = Buffer.concat([multiboot, spec.code ?? HALT]);
  const dataAt = LINK_ADDRESS + BigInt(Math.ceil(code.length / 4096)) * 4096n;
  const abi = spec.abi === undefined ? abiNote(SOLO5_TARGET_NUMBERS[target], abiVersion) : spec.abi;
  const manifest = spec.manifest === undefined ? manifestNote(devices) : spec.manifest;
  const note = (section: string, bytes: Buffer | null): SegmentSpec[] =>
    bytes === null ? [] : [{ type: "note", section, data: bytes }];
  const segments: readonly SegmentSpec[] = [
    { type: "interp", data: Buffer.from("/nonexistent/solo5/\0\0\0\0\0"), section: ".interp" },
    { type: "load", flags: "r-x", data: code, vaddr: LINK_ADDRESS, section: ".text" },
    { type: "load", flags: "rw-", data, vaddr: dataAt, memSize: data.length + bss, section: ".data" },
    ...note(".note.solo5.not_openbsd", elfNote({ owner: "OpenBSD", type: 1, desc: words(0) })),
    ...note(".note.solo5.manifest", manifest),
    ...note(".note.solo5.abi", abi),
    ...(target === "xen" ? note(".note.solo5.xen", xenNote(18, Number(LINK_ADDRESS) + multiboot.length)) : []),
  ];
  const entry = LINK_ADDRESS + BigInt(multiboot.length);
  return buildElf({ entry, ...spec, segments: spec.edit === undefined ? segments : spec.edit(segments) });
}
