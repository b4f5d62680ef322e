/** Solo5's application manifest: the devices that a kernel declares, in its MFT1 note. Pure; the bytes are hostile. */
import { type Fields, fieldsOf, textOf } from "./fields.ts";
import type { Device } from "./target.ts";
import type { ElfNote } from "./notes.ts";
import type { Report } from "./problem.ts";

/** "MFT1" as a little-endian integer. */
const NT_MFT1 = 0x3154464d;
/** The structure is aligned to 8 bytes, the note's content to 4: so much padding comes first. */
const PADDING = 4;
/** version, entries. */
const HEADER = 8;
const ENTRY = 104;
/** With the reserved first one: 63 devices. */
const MAX_ENTRIES = 64;
/** Bytes for a name in an entry; the last one is always NUL. */
const NAME = 68;
const TYPE_AT = 68;
const ATTACHED_AT = 96;
const RESERVED_FIRST = 0x40000000;
const TYPES: ReadonlyMap<number, Device["type"]> = new Map([
  [1, "block"],
  [2, "net"],
]);
/** What the tenders' command line parsers and Solo5's elftool accept. */
const NAME_ALPHABET = /^[A-Za-z0-9]+$/;

/** `devices` is empty unless the state is "read": half a device list would look like a whole one. */
export interface Manifest {
  readonly state: "read" | "invalid" | "none";
  readonly devices: readonly Device[];
}

/** Whether the notes have a manifest, of whatever quality. */
export function hasManifest(notes: readonly ElfNote[]): boolean {
  return notes.some(isManifestNote);
}

function isManifestNote(note: ElfNote): boolean {
  return note.owner === "Solo5" && note.nameSize === 6 && note.type === NT_MFT1;
}

/** Reads the first manifest, checking all that a tender checks and reporting each fault with its own code. */
export function readManifest(notes: readonly ElfNote[], report: Report): Manifest {
  const manifests = notes.filter(isManifestNote);
  const note = manifests.find(({ first }) => first) ?? manifests[0];
  if (note === undefined) {
    report("manifest-missing", "there is no Solo5 manifest note", "Build with Solo5 0.6.0 or later.");
    return { state: "none", devices: [] };
  }
  if (manifests.length > 1) {
    report("manifest-duplicate", `there are ${manifests.length} Solo5 manifests, of which a tender reads the first`);
  }
  if (!note.first) {
    report(
      "manifest-not-first",
      "the Solo5 manifest is not the first note of its program header, so a tender does not see it",
      "Give each Solo5 note a program header of its own, as Solo5's linker scripts do.",
    );
  }
  const devices = readDevices(note, report);
  return devices === null ? { state: "invalid", devices: [] } : { state: "read", devices };
}

function readDevices(note: ElfNote, report: Report): readonly Device[] | null {
  const fields = fieldsOf(note.desc.subarray(PADDING), "little");
  if (note.truncated) {
    report("manifest-truncated", `the manifest note says ${note.descSize} bytes but ends after ${note.desc.length}`);
    return null;
  }
  if (fields.length < HEADER) {
    report("manifest-size", `the manifest note has ${note.descSize} bytes, fewer than its header takes`);
    return null;
  }
  const [version, entries] = [fields.u32(0), fields.u32(4)];
  if (version !== 1) {
    report("manifest-version", `the manifest has version ${version}, expected 1`);
    return null;
  }
  if (entries < 1 || entries > MAX_ENTRIES) {
    report("manifest-entries", `the manifest says ${entries} entries, expected 1 to ${MAX_ENTRIES}`);
    return null;
  }
  const expected = PADDING + HEADER + entries * ENTRY;
  if (note.descSize !== expected) {
    report("manifest-size", `the manifest note has ${note.descSize} bytes; its ${entries} entries take ${expected}`);
    return null;
  }
  return readEntries(fields, entries, report);
}

function readEntries(fields: Fields, entries: number, report: Report): readonly Device[] | null {
  let sound = true;
  const fault: Report = (code, message, hint) => {
    sound = false;
    report(code, message, hint);
  };
  if (fields.u32(HEADER + TYPE_AT) !== RESERVED_FIRST || fields.bytes[HEADER] !== 0) {
    fault("manifest-first-entry", "the first entry of the manifest is not the reserved one without a name");
  }
  const devices: Device[] = [];
  for (let i = 0; i < entries; i++) {
    const at = HEADER + i * ENTRY;
    checkEntry(fields, at, i, fault);
    if (i > 0) devices.push(deviceAt(fields, at, i, fault));
  }
  reportNames(devices, report);
  return sound ? devices : null;
}

/** What must hold for every entry, the reserved one included. */
function checkEntry(fields: Fields, at: number, index: number, fault: Report): void {
  if (fields.bytes[at + NAME - 1] !== 0) {
    fault("device-name-unterminated", `the name of manifest entry ${index} does not end within ${NAME - 1} bytes`);
  }
  if (fields.bytes[at + ATTACHED_AT] !== 0) {
    fault("device-attached", `manifest entry ${index} says it is attached already, which only a tender may say`);
  }
}

function deviceAt(fields: Fields, at: number, index: number, fault: Report): Device {
  const name = textOf(fields.bytes.subarray(at, at + NAME));
  const number = fields.u32(at + TYPE_AT);
  const type = TYPES.get(number);
  if (name === "") fault("device-name-empty", `manifest entry ${index} has no name`);
  if (type === undefined) {
    fault("device-type", `manifest entry ${index} has type ${number}, expected 1 (block) or 2 (net)`);
  }
  return { name, type: type ?? "block" };
}

/** Faults of whole, readable names: the list can still be shown, but the kernel cannot be started. */
function reportNames(devices: readonly Device[], report: Report): void {
  const seen = new Set<string>();
  for (const { name } of devices) {
    if (name !== "" && !NAME_ALPHABET.test(name)) {
      report(
        "device-name-alphabet",
        `the device name "${name}" has other characters than letters and digits, so a tender cannot attach it`,
        'Rename the device in config.ml, e.g. `block_of_file "storage"`.',
      );
    }
    if (seen.has(name)) {
      report("device-name-duplicate", `the device name "${name}" is declared twice; only the first can be attached`);
    }
    seen.add(name);
  }
}
