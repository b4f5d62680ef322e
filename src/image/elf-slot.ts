/**
 * The place of a volume in a linked kernel: between `<name>_start` and `<name>_end`, where the loader finds the bytes in
 * the file (ELF gABI, "Program Header"). Pure; the bytes are hostile.
 */
import { DeployError } from "../errors.ts";
import type { ByteSource } from "../util/bytes.ts";
import { ELF_TYPE, ElfTables } from "./elf-tables.ts";
import type { Extent } from "./format.ts";

/** Throws KERNEL_UNREADABLE where the kernel has no such slot, with what to do about it. */
export function findSlot(source: ByteSource, name: string): Extent {
  const tables = new ElfTables(source, (offset, what) => unreadable(`${what} (at byte ${offset})`));
  if (tables.type !== ELF_TYPE.executable && tables.type !== ELF_TYPE.shared) {
    throw unreadable("it is not linked yet", "make the object again with image create, or link it first");
  }
  if (!tables.hasSymbols) {
    throw unreadable(
      "it has no symbol table, so nobody knows where the volume is",
      "link it without --strip-all and without running strip; strip --keep-symbol keeps single symbols",
    );
  }
  const symbols = tables.symbols([`${name}_start`, `${name}_end`]);
  const start = symbols.get(`${name}_start`)?.value;
  const end = symbols.get(`${name}_end`)?.value;
  if (start === undefined || end === undefined) {
    throw unreadable(
      `it has no symbols ${name}_start and ${name}_end`,
      `link an object made by image create --format elf-object --name ${name}`,
    );
  }
  if (end <= start) throw unreadable(`${name}_end is not behind ${name}_start`);
  const segment = tables.loads.find(({ address, size }) => start >= address && end <= address + size);
  if (!segment) throw unreadable(`${name}_start is in no loaded segment of the file`);
  const slot = { offset: segment.offset + (start - segment.address), size: end - start };
  if (slot.offset + slot.size > source.size) throw unreadable(`the segment with ${name}_start is cut short`);
  return slot;
}

function unreadable(what: string, hint?: string): DeployError {
  return new DeployError("KERNEL_UNREADABLE", `the kernel has no volume to replace: ${what}`, { hint });
}
