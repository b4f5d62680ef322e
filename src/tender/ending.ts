/** How a guest came to its end, and what its console says of the reason. Pure. */
import { type ConsoleLog, shown } from "./console.ts";

/** The end of the process that ran the guest. */
export interface ProcessEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started at all. */
  readonly error?: string;
}

const SOLO5_EXIT = /Solo5: solo5_exit\((\d{1,10})\) called/;
const SOLO5_ABORT = /Solo5: solo5_abort\(\) called/;

/**
 * The guest's own exit code: what Solo5 prints, because qemu's exit code says nothing of the guest (with isa-debug-exit
 * it is 83 for success and abort alike, without it 0 for both). Undefined where nobody knows.
 */
export function guestCode(console: ConsoleLog, end: ProcessEnd, underQemu: boolean): number | undefined {
  const printed = SOLO5_EXIT.exec(console.text);
  if (printed) return Number(printed[1]);
  if (SOLO5_ABORT.test(console.text)) return 255;
  return underQemu ? undefined : (end.code ?? undefined);
}

/** Lines that name a reason, the most telling kind first. */
const TELLING: readonly RegExp[] = [
  /\bpanic\b[:!]/i,
  /not in manifest|declared but not attached|not attached\.|Resource not declared/,
  /not for the solo5-|No Solo5 ABI|invalid or unsupported executable|must be block aligned|must be at least 1 block|Could not open/,
  /PCI enumeration failed|Fatal error|Out of memory|segfault|Segmentation fault|unknown virtio device/i,
  /^(?:\S*qemu-system-\S+|solo5-\w+|\S*solo5-\w+): /,
  /Error loading|failed to|cannot /i,
];

/** The line of the console that says best why a guest failed; undefined when it said nothing. */
export function tellingLine(console: ConsoleLog): string | undefined {
  const lines = console.text.split("\n").filter((line) => line.trim() !== "");
  for (const pattern of TELLING) {
    const line = lines.findLast((candidate) => pattern.test(candidate));
    if (line !== undefined) return shown(line.trim());
  }
  const last = lines.at(-1);
  return last === undefined ? undefined : shown(last.trim());
}

/** "ended with exit code 1", "was ended by SIGSEGV", and what it said. */
export function describeEnd(console: ConsoleLog, end: ProcessEnd, underQemu: boolean): string {
  if (end.error !== undefined) return `could not be started: ${end.error}`;
  const code = guestCode(console, end, underQemu);
  const how = end.signal ? `was ended by ${end.signal}` : code === undefined ? "ended" : `ended with exit code ${code}`;
  const line = tellingLine(console);
  return line === undefined ? `${how} and said nothing` : `${how}: ${line}`;
}
