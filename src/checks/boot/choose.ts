/** Which tender boots which kernel, and why some are not booted. Pure. */
import type { Target } from "../../kernel/target.ts";
import type { TenderName } from "../../tender/launch.ts";

export interface Candidate {
  readonly target: Target | null;
  readonly arch: string;
}

/** What is known of this machine. */
export interface Machine {
  /** Of the host: "x86_64". */
  readonly arch: string;
  readonly installed: (program: string) => boolean;
  /** Whether /dev/kvm can be opened. */
  readonly kvm: boolean;
}

export type Choice =
  | { readonly kind: "boot"; readonly tender: TenderName }
  /** The kernel could be booted, but not here, not now. */
  | { readonly kind: "skip"; readonly reason: string; readonly hint?: string }
  /** The tender that was asked for does not run kernels of this target. */
  | { readonly kind: "unsuitable"; readonly reason: string; readonly hint?: string };

/** The targets that each tender runs; a user's own command runs whatever its user says. */
const RUNS: Readonly<Record<Exclude<TenderName, "command">, readonly Target[]>> = {
  qemu: ["virtio", "pvh"],
  "solo5-hvt": ["hvt"],
  "solo5-spt": ["spt"],
  unix: ["unix"],
};

const GET_QEMU = "apt-get install --no-install-recommends qemu-system-x86";
const GET_SOLO5 = "opam install solo5 && sudo install $(opam var bin)/solo5-* /usr/local/bin";

/** `wanted` is "auto" or the name of a tender; `command` the program of the user's own one. */
export function chooseTender(kernel: Candidate, wanted: string, command: string | undefined, machine: Machine): Choice {
  if (wanted === "command") return chooseCommand(command, machine);
  const suited = (Object.keys(RUNS) as (keyof typeof RUNS)[]).find(
    (name) => kernel.target !== null && RUNS[name].includes(kernel.target),
  );
  if (wanted !== "auto" && !Object.hasOwn(RUNS, wanted)) {
    return {
      kind: "skip",
      reason: `tender ${wanted} runs on a host of its own kind only`,
      hint: "use tender: auto, or tender: command with your own",
    };
  }
  if (wanted !== "auto" && wanted !== suited) {
    const runs = RUNS[wanted as keyof typeof RUNS].join(" and ");
    return {
      kind: "unsuitable",
      reason: `the kernel is for ${kernel.target ?? "an unknown target"}; tender ${wanted} runs kernels for ${runs}`,
    };
  }
  if (suited === undefined) {
    const hint = "build the kernel for virtio as well, or give tender: command";
    return { kind: "skip", reason: `no tender here boots kernels for ${kernel.target ?? "an unknown target"}`, hint };
  }
  return chooseInstalled(suited, kernel, machine);
}

function chooseInstalled(tender: keyof typeof RUNS, { arch }: Candidate, machine: Machine): Choice {
  // A 64-bit kernel for Multiboot is in a 32-bit ELF file.
  const family = arch === "i386" ? "x86_64" : arch;
  if (tender === "qemu") {
    if (family !== "x86_64") return { kind: "skip", reason: `qemu boots x86_64 kernels here; this one is for ${arch}` };
    if (!machine.installed("qemu-system-x86_64"))
      return { kind: "skip", reason: "qemu-system-x86_64 is not installed", hint: GET_QEMU };
    return { kind: "boot", tender };
  }
  if (family !== machine.arch)
    return { kind: "skip", reason: `the kernel is for ${arch}, this machine is ${machine.arch}` };
  if (tender !== "unix" && !machine.installed(tender))
    return { kind: "skip", reason: `${tender} is not installed`, hint: GET_SOLO5 };
  if (tender === "solo5-hvt" && !machine.kvm) {
    return {
      kind: "skip",
      reason: "solo5-hvt needs /dev/kvm, which cannot be opened",
      hint: "sudo chmod a+rw /dev/kvm",
    };
  }
  return { kind: "boot", tender };
}

function chooseCommand(program: string | undefined, machine: Machine): Choice {
  if (program === undefined)
    return { kind: "skip", reason: "tender command has no command", hint: "write it at checks.boot.command" };
  if (!machine.installed(program)) return { kind: "skip", reason: `${program} is not installed` };
  return { kind: "boot", tender: "command" };
}
