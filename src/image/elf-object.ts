/**
 * A volume as a relocatable ELF object (System V ABI, ELF gABI 4.1): the tar image of the tree, page-aligned in
 * `.rodata.<name>`, between the symbols `<name>_start` and `<name>_end`. Linked into a kernel it is mapped read-only with
 * the rest of the constants and read in place. Pure.
 *
 * `.rodata.*` because linker scripts of Solo5 and most others gather that; a section of any other name is placed by
 * chance. The inner image is tar: a reader that finds a header finds the content 512 bytes on, without any table.
 */
import { DeployError } from "../errors.ts";
import { type ByteSource, roundUp } from "../util/bytes.ts";
import { ELF_TYPE, ElfTables, type ElfSection } from "./elf-tables.ts";
import type { ImageEntry, ImageLayout, LaidOutFormat, LayoutOptions, Piece } from "./format.ts";
import { tar } from "./tar.ts";
import type { FileTree } from "./tree.ts";

/** e_machine and e_flags; ARM objects say which calling standard they follow (EABI version 5), or ld warns. */
const MACHINES = {
  x86_64: { machine: 62, flags: 0, wide: true },
  aarch64: { machine: 183, flags: 0, wide: true },
  arm: { machine: 40, flags: 0x0500_0000, wide: false },
} as const;

export const OBJECT_ARCHES = Object.keys(MACHINES) as readonly (keyof typeof MACHINES)[];
export const DEFAULT_SYMBOL = "site";
/** What C takes for an identifier. */
const SYMBOL = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const PAGE = 4096;
/** Addresses of a 32-bit guest, and what its code reaches. */
const MAX_NARROW = 0x7fff_ffff;

export const elfObject: LaidOutFormat = {
  kind: "laid-out",
  name: "elf-object",
  summary: "a tar volume as an object file, to be linked into a kernel and read in place",
  rebuilds: false,
  takes: ["size", "arch", "symbol"],
  layout: layoutObject,
  detect: (source) => isObject(source) && volumeIn(source) !== undefined,
  *list(source) {
    const volume = volumeIn(source);
    if (!volume) throw invalid(0, "no section .rodata.<name> with symbols <name>_start and <name>_end");
    const inner = sliceOf(source, volume);
    for (const entry of tar.list(inner)) yield { ...entry, offset: entry.offset + volume.offset } satisfies ImageEntry;
  },
};

/** Throws USAGE for an unknown machine or a name that is no identifier, and what the inner format throws. */
function layoutObject(tree: FileTree, options: LayoutOptions = {}): ImageLayout {
  const { arch = "x86_64", symbol = DEFAULT_SYMBOL } = options;
  if (!Object.hasOwn(MACHINES, arch)) {
    throw new DeployError("USAGE", `no ELF objects are made for ${JSON.stringify(arch)}`, {
      hint: `one of: ${OBJECT_ARCHES.join(", ")}`,
    });
  }
  const machine = MACHINES[arch as keyof typeof MACHINES];
  requireSymbol(symbol);
  const inner = tar.layout(tree, options);
  if (!machine.wide && inner.size > MAX_NARROW) {
    throw new DeployError("SITE_UNREPRESENTABLE", `${inner.size} bytes do not fit an object for ${arch}`, {
      hint: "attach the volume as a block device instead",
    });
  }
  const frame = frameOf(machine, symbol, inner.size);
  return {
    size: PAGE + inner.size + frame.tail.length,
    starts: inner.starts.map((start) => start + PAGE),
    *pieces(): Generator<Piece> {
      yield { kind: "bytes", bytes: frame.head };
      yield { kind: "zeros", length: PAGE - frame.head.length };
      yield* inner.pieces();
      yield { kind: "bytes", bytes: frame.tail };
    },
  };
}

/** Throws USAGE for what cannot be the stem of a C symbol. */
export function requireSymbol(symbol: string): void {
  if (SYMBOL.test(symbol)) return;
  throw new DeployError("USAGE", `${JSON.stringify(symbol)} is not a name that a C symbol can begin with`, {
    hint: "letters, digits and _, not beginning with a digit, at most 63",
  });
}

/** A run of integers of one width after another. */
class Fields {
  readonly #wide: boolean;
  readonly #parts: Buffer[] = [];

  constructor(wide: boolean) {
    this.#wide = wide;
  }

  put(width: 1 | 2 | 4 | 8, ...values: readonly number[]): this {
    for (const value of values) {
      const bytes = Buffer.alloc(width);
      if (width === 8) bytes.writeBigUInt64LE(BigInt(value));
      else bytes.writeUIntLE(value, 0, width);
      this.#parts.push(bytes);
    }
    return this;
  }

  /** Addresses, offsets and sizes. */
  address(...values: readonly number[]): this {
    return this.put(this.#wide ? 8 : 4, ...values);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** What stands around the volume: the file header before it; symbols, names and section headers behind it. */
function frameOf(machine: (typeof MACHINES)[keyof typeof MACHINES], symbol: string, size: number) {
  const { wide } = machine;
  const names = stringTable([`.rodata.${symbol}`, ".note.GNU-stack", ".symtab", ".strtab", ".shstrtab"]);
  const strings = stringTable([`${symbol}_start`, `${symbol}_end`, `${symbol}_size`]);
  const symbols = symbolTable(wide, strings.offsets as [number, number, number], size);
  const symbolsAt = PAGE + size;
  const stringsAt = symbolsAt + symbols.length;
  const namesAt = stringsAt + strings.bytes.length;
  const headersAt = roundUp(namesAt + names.bytes.length, 8);
  const headers = new Fields(wide);
  const [rodata, note, symtab, strtab, shstrtab] = names.offsets as [number, number, number, number, number];
  // name, type, flags, address, offset, size, link, info, alignment, entry size
  const section = (...f: [number, number, number, number, number, number, number, number, number]) =>
    headers.put(4, f[0], f[1]).address(f[2], 0, f[3], f[4]).put(4, f[5], f[6]).address(f[7], f[8]);
  section(0, 0, 0, 0, 0, 0, 0, 0, 0);
  section(rodata, 1, 2, PAGE, size, 0, 0, PAGE, 0);
  // Empty, and its presence says that no executable stack is asked for.
  section(note, 1, 0, PAGE, 0, 0, 0, 1, 0);
  section(symtab, 2, 0, symbolsAt, symbols.length, 4, 1, wide ? 8 : 4, wide ? 24 : 16);
  section(strtab, 3, 0, stringsAt, strings.bytes.length, 0, 0, 1, 0);
  section(shstrtab, 3, 0, namesAt, names.bytes.length, 0, 0, 1, 0);
  const padding = Buffer.alloc(headersAt - namesAt - names.bytes.length);
  return {
    head: fileHeader(machine, headersAt),
    tail: Buffer.concat([symbols, strings.bytes, names.bytes, padding, headers.bytes()]),
  };
}

function fileHeader({ machine, flags, wide }: (typeof MACHINES)[keyof typeof MACHINES], headersAt: number): Buffer {
  return new Fields(wide)
    .put(1, 0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    .put(2, ELF_TYPE.relocatable, machine)
    .put(4, 1)
    .address(0, 0, headersAt)
    .put(4, flags)
    .put(2, wide ? 64 : 52, 0, 0, wide ? 64 : 40, 6, 5)
    .bytes();
}

function stringTable(texts: readonly string[]): { bytes: Buffer; offsets: readonly number[] } {
  let all = "\0";
  const offsets = texts.map((text) => {
    const at = all.length;
    all += `${text}\0`;
    return at;
  });
  return { bytes: Buffer.from(all, "latin1"), offsets };
}

/** Start (an object of the volume's size), end, and the size as an absolute symbol, all global. */
function symbolTable(wide: boolean, [start, end, length]: [number, number, number], size: number): Buffer {
  const GLOBAL_OBJECT = 0x11;
  const GLOBAL = 0x10;
  const ABSOLUTE = 0xfff1;
  const fields = new Fields(wide);
  const symbol = (name: number, info: number, section: number, value: number, bytes: number) =>
    wide
      ? fields.put(4, name).put(1, info, 0).put(2, section).address(value, bytes)
      : fields.put(4, name).address(value, bytes).put(1, info, 0).put(2, section);
  symbol(0, 0, 0, 0, 0);
  symbol(start, GLOBAL_OBJECT, 1, 0, size);
  symbol(end, GLOBAL, 1, size, 0);
  symbol(length, GLOBAL, ABSOLUTE, size, 0);
  return fields.bytes();
}

function isObject(source: ByteSource): boolean {
  const head = source.read(0, 18);
  return (
    head.length === 18 && head[0] === 0x7f && head[1] === 0x45 && head[5] === 1 && head[16] === ELF_TYPE.relocatable
  );
}

/** The section with a volume: the one whose name its symbols repeat. Undefined where there is none. */
export function volumeIn(source: ByteSource): ElfSection | undefined {
  const tables = new ElfTables(source, invalid);
  for (const section of tables.sections) {
    const name = /^\.rodata\.(.+)$/.exec(section.name)?.[1];
    if (name === undefined || !section.inFile) continue;
    const found = tables.symbols([`${name}_start`, `${name}_end`]);
    const start = found.get(`${name}_start`);
    const end = found.get(`${name}_end`);
    if (!start || !end || tables.sections[start.section ?? 0] !== section) continue;
    if (section.offset + section.size > source.size) throw invalid(section.offset, `${section.name} is cut short`);
    if (start.value === 0 && end.value === section.size) return section;
  }
  return undefined;
}

/** A part of a source as a source of its own. */
export function sliceOf(
  source: ByteSource,
  { offset, size }: { readonly offset: number; readonly size: number },
): ByteSource {
  return {
    size,
    read: (at, length) => source.read(offset + Math.min(at, size), Math.max(0, Math.min(length, size - at))),
  };
}

function invalid(offset: number, what: string): DeployError {
  return new DeployError("IMAGE_INVALID", `not an ELF object with a volume: ${what} (at byte ${offset})`, {
    hint: "make it with image create --format elf-object",
  });
}
