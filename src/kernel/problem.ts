/** KernelProblem: what is wrong with a kernel, from a closed set of codes. Pure. */

/**
 * How bad each problem is. `error`: the kernel cannot be identified or cannot start. `warning`: odd, but it loads.
 * `tender`: a rule that only the tenders solo5-hvt and solo5-spt enforce, so an error on those targets and a warning on
 * the others. docs/kernels.md has a row for each code; a test keeps the two lists equal.
 */
const CODES = {
  "file-empty": "error",
  compressed: "error",
  "bzimage-truncated": "error",
  "elf-truncated": "error",
  "elf-class-unknown": "error",
  "elf-endian-unknown": "error",
  "elf-class": "tender",
  "elf-endian": "tender",
  "elf-machine": "tender",
  "elf-type": "tender",
  "elf-version": "tender",
  "elf-header-size": "tender",
  "elf-phdr-missing": "tender",
  "elf-phdr-size": "error",
  "elf-phdr-out-of-range": "error",
  "elf-phdr-too-many": "error",
  "elf-shdr-size": "warning",
  "elf-shdr-out-of-range": "warning",
  "elf-shdr-too-many": "warning",
  "elf-section-names": "warning",
  "segment-missing": "tender",
  "segment-out-of-range": "error",
  "segment-size": "error",
  "segment-address": "error",
  "segment-alignment": "tender",
  "segment-order": "tender",
  "segment-overlap": "tender",
  "segment-too-low": "tender",
  "segment-too-high": "tender",
  "segment-writable-executable": "tender",
  pie: "tender",
  "entry-too-low": "tender",
  "entry-outside-segments": "tender",
  "note-truncated": "warning",
  "note-too-many": "warning",
  "note-segment-out-of-range": "error",
  "note-segment-too-short": "tender",
  "note-segment-too-large": "warning",
  "abi-note-missing": "error",
  "abi-note-too-short": "error",
  "abi-note-size": "error",
  "abi-note-not-first": "tender",
  "abi-note-not-loaded": "error",
  "abi-note-duplicate": "warning",
  "abi-target-unknown": "error",
  "abi-version-unknown": "warning",
  "abi-reserved": "warning",
  "manifest-missing": "error",
  "manifest-truncated": "error",
  "manifest-size": "error",
  "manifest-version": "error",
  "manifest-entries": "error",
  "manifest-first-entry": "error",
  "manifest-not-first": "tender",
  "manifest-duplicate": "warning",
  "device-name-unterminated": "error",
  "device-name-empty": "error",
  "device-name-alphabet": "tender",
  "device-name-duplicate": "tender",
  "device-type": "error",
  "device-attached": "error",
  "xen-note-value": "error",
  "pvh-entry-outside-segments": "error",
  "interpreter-unreadable": "warning",
  "dynamic-unreadable": "warning",
} as const satisfies Record<string, "error" | "warning" | "tender">;

export type KernelProblemCode = keyof typeof CODES;

/** Every code, in the order of docs/kernels.md. */
export const KERNEL_PROBLEM_CODES = Object.keys(CODES) as readonly KernelProblemCode[];

/** One thing that is wrong. The message says what was found and what was expected; `hint` what to change. */
export interface KernelProblem {
  readonly code: KernelProblemCode;
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly hint?: string;
}

/** Takes a problem down while a file is read. Readers never throw for content: they report and go on, or stop. */
export type Report = (code: KernelProblemCode, message: string, hint?: string) => void;

/** Problems of one code beyond this say nothing new, and a hostile file can have thousands. */
const MAX_PER_CODE = 16;

/** A `Report` and what was reported through it. */
export interface ProblemList {
  readonly report: Report;
  /** The problems in the order of discovery; `tended` is whether a Solo5 tender is what loads this kernel. */
  list(options: { readonly tended: boolean }): readonly KernelProblem[];
}

/** An empty `ProblemList`; keeps at most 16 problems of each code. */
export function problemList(): ProblemList {
  const found: Omit<KernelProblem, "severity">[] = [];
  const counts = new Map<KernelProblemCode, number>();
  return {
    report(code, message, hint) {
      const count = (counts.get(code) ?? 0) + 1;
      counts.set(code, count);
      if (count <= MAX_PER_CODE) found.push(hint === undefined ? { code, message } : { code, message, hint });
    },
    list: ({ tended }) => found.map(({ code, ...rest }) => ({ code, severity: severityOf(code, tended), ...rest })),
  };
}

function severityOf(code: KernelProblemCode, tended: boolean): "error" | "warning" {
  const severity = CODES[code];
  if (severity === "tender") return tended ? "error" : "warning";
  return severity;
}
