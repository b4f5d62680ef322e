/**
 * Sections, segments and symbols of a little-endian ELF file, as far as finding a volume in it needs them (System V ABI,
 * "Object Files"). Pure; the bytes are hostile, every table is bounded.
 */
import type { ByteSource } from "../util/bytes.ts";
import type { Extent } from "./format.ts";

export const ELF_TYPE = { relocatable: 1, executable: 2, shared: 3 } as const;
const LOAD = 1;
const SYMBOL_TABLE = 2;
const NO_BITS = 8;
/** Sections with an own number; numbers from here on mean something else (SHN_ABS, SHN_COMMON). */
const RESERVED_SECTION = 0xff00;
/** Linux has 130,000 symbols, with 3 MB of names. */
const MAX_TABLE = 64 * 1024 * 1024;

/** Makes the error for what is wrong at a byte. */
export type Invalid = (offset: number, what: string) => Error;

export interface ElfSection extends Extent {
  readonly name: string;
  readonly type: number;
  /** Number of the section with the names, for a symbol table. */
  readonly link: number;
  readonly inFile: boolean;
}

export interface ElfLoad extends Extent {
  readonly address: number;
}

export interface ElfSymbol {
  readonly value: number;
  /** Section number; undefined for an absolute symbol. */
  readonly section: number | undefined;
}

/** Offsets of the fields by class, and how wide an address is. */
const LAYOUT = {
  32: { phoff: 28, shoff: 32, counts: 42, segment: 32, section: 40, symbol: 16 },
  64: { phoff: 32, shoff: 40, counts: 54, segment: 56, section: 64, symbol: 24 },
} as const;

export class ElfTables {
  readonly #source: ByteSource;
  readonly #invalid: Invalid;
  readonly #wide: boolean;
  readonly type: number;
  readonly sections: readonly ElfSection[];
  readonly loads: readonly ElfLoad[];

  constructor(source: ByteSource, invalid: Invalid) {
    this.#source = source;
    this.#invalid = invalid;
    const head = this.#view({ offset: 0, size: 52 });
    if (head.getUint32(0) !== 0x7f454c46) throw invalid(0, "no ELF file");
    const elfClass = head.getUint8(4) === 2 ? 64 : 32;
    if (head.getUint8(5) !== 1) throw invalid(5, "an ELF file that is not little-endian");
    this.#wide = elfClass === 64;
    this.type = head.getUint16(16, true);
    const at = LAYOUT[elfClass];
    const header = this.#view({ offset: 0, size: at.counts + 10 });
    const table = (offset: number, count: number, size: number, each: number) => {
      if (count > 0 && size !== each) throw invalid(at.counts, `table entries of ${size} bytes, expected ${each}`);
      return this.#view({ offset: count > 0 ? offset : 0, size: count * each });
    };
    const counts = [0, 2, 4, 6, 8].map((n) => header.getUint16(at.counts + n, true));
    const [phSize, phCount, shSize, shCount, names] = counts as [number, number, number, number, number];
    const segments = table(this.#address(header, at.phoff), phCount, phSize, at.segment);
    this.loads = this.#readLoads(segments, at.segment);
    this.sections = this.#readSections(
      table(this.#address(header, at.shoff), shCount, shSize, at.section),
      at.section,
      names,
    );
  }

  /** Bytes of the file; throws where they are not all there, or too many to hold. */
  #view({ offset, size }: Extent): DataView {
    if (size > MAX_TABLE) throw this.#invalid(offset, `a table of ${size} bytes`);
    const bytes = Uint8Array.from(this.#source.read(offset, size));
    if (bytes.length < size) throw this.#invalid(offset, `${size} bytes announced, ${bytes.length} left in the file`);
    return new DataView(bytes.buffer);
  }

  #address(view: DataView, at: number): number {
    if (!this.#wide) return view.getUint32(at, true);
    const value = view.getBigUint64(at, true);
    // No file is as long as that; whatever it is the offset of will not be found.
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }

  #readLoads(view: DataView, each: number): ElfLoad[] {
    const loads: ElfLoad[] = [];
    const [offset, address, size] = this.#wide ? [8, 16, 32] : [4, 8, 16];
    for (let at = 0; at < view.byteLength; at += each) {
      if (view.getUint32(at, true) !== LOAD) continue;
      loads.push({
        offset: this.#address(view, at + (offset as number)),
        address: this.#address(view, at + (address as number)),
        size: this.#address(view, at + (size as number)),
      });
    }
    return loads;
  }

  #readSections(view: DataView, each: number, names: number): ElfSection[] {
    const raw: (ElfSection & { readonly nameAt: number })[] = [];
    for (let at = 0; at < view.byteLength; at += each) {
      const type = view.getUint32(at + 4, true);
      raw.push({
        name: "",
        nameAt: view.getUint32(at, true),
        type,
        inFile: type !== NO_BITS,
        offset: this.#address(view, at + (this.#wide ? 24 : 16)),
        size: this.#address(view, at + (this.#wide ? 32 : 20)),
        link: view.getUint32(at + (this.#wide ? 40 : 24), true),
      });
    }
    const table = raw[names];
    if (!table || !table.inFile) return raw;
    const text = this.#view(table);
    return raw.map(({ nameAt, ...section }) => ({ ...section, name: nameIn(text, nameAt) }));
  }

  /** Whether there is a symbol table; `strip` removes it. */
  get hasSymbols(): boolean {
    return this.sections.some(({ type }) => type === SYMBOL_TABLE);
  }

  /** The defined symbols with these names. Throws where two different ones share a name. */
  symbols(wanted: readonly string[]): Map<string, ElfSymbol> {
    const found = new Map<string, ElfSymbol>();
    const each = LAYOUT[this.#wide ? 64 : 32].symbol;
    for (const table of this.sections.filter(({ type }) => type === SYMBOL_TABLE)) {
      const names = this.sections[table.link];
      if (!names?.inFile) throw this.#invalid(table.offset, "a symbol table without names");
      const text = this.#view(names);
      const view = this.#view({ offset: table.offset, size: table.size - (table.size % each) });
      for (let at = 0; at < view.byteLength; at += each) {
        const section = view.getUint16(at + (this.#wide ? 6 : 14), true);
        if (section === 0) continue;
        const nameAt = view.getUint32(at, true);
        const name = wanted.find((candidate) => isNamed(text, nameAt, candidate));
        if (name === undefined) continue;
        const value = this.#address(view, at + (this.#wide ? 8 : 4));
        const so = found.get(name);
        if (so && so.value !== value) throw this.#invalid(table.offset + at, `the symbol ${name} is defined twice`);
        found.set(name, { value, section: section < RESERVED_SECTION ? section : undefined });
      }
    }
    return found;
  }
}

function isNamed(text: DataView, at: number, name: string): boolean {
  if (at + name.length >= text.byteLength || text.getUint8(at + name.length) !== 0) return false;
  for (let i = 0; i < name.length; i++) if (text.getUint8(at + i) !== name.charCodeAt(i)) return false;
  return true;
}

/** At most 128 characters of a name; longer ones are nobody's that is looked for. */
function nameIn(text: DataView, at: number): string {
  let name = "";
  for (let i = at; i < Math.min(text.byteLength, at + 128) && text.getUint8(i) !== 0; i++) {
    name += String.fromCharCode(text.getUint8(i));
  }
  return name;
}
