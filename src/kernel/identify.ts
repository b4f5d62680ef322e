/** What an ELF kernel was built for: the first recogniser that knows it decides. Pure. */
import type { ByteSource } from "../util/bytes.ts";
import { readInterpreter } from "./dynamic.ts";
import type { ElfFile } from "./elf.ts";
import { ELF_TYPE } from "./elf-header.ts";
import { copyOf } from "./fields.ts";
import type { Device, Target } from "./target.ts";
import { isVmlinux } from "./linux.ts";
import { MULTIBOOT_SEARCH, multibootVersion } from "./multiboot.ts";
import type { Report } from "./problem.ts";
import { readSolo5 } from "./solo5.ts";
import type { Manifest } from "./solo5-manifest.ts";
import { unikraftTarget } from "./unikraft.ts";
import { hostEvidence, hostTraces } from "./unix.ts";
import { readXen, type XenFacts } from "./xen.ts";

/** What the bytes say, gathered once for all recognisers. */
export interface Evidence {
  readonly elf: ElfFile;
  readonly xen: XenFacts | null;
  readonly multiboot: 1 | 2 | null;
  readonly interpreter: string | null;
}

/** The decision. `target` is null where a recogniser knows the file but must not name a target, or where none does. */
export interface Verdict {
  readonly target: Target | null;
  readonly reason: string;
  readonly hint?: string;
  readonly abiVersion?: number;
  readonly devices: readonly Device[];
  readonly manifest: Manifest["state"];
}

/** Gathers what the recognisers look at. */
export function gatherEvidence(source: ByteSource, elf: ElfFile, report: Report): Evidence {
  return {
    elf,
    xen: readXen(elf, report),
    multiboot: multibootVersion(copyOf(source, 0, MULTIBOOT_SEARCH)),
    interpreter: readInterpreter(source, elf, report),
  };
}

/**
 * Names the target. The order matters: a Solo5 kernel for Xen has Xen notes and a Multiboot header as well, a Linux
 * kernel has Xen notes, and a host executable may contain anything.
 */
export function identify(evidence: Evidence, report: Report): Verdict {
  return (
    fromSolo5(evidence, report) ??
    fromLinux(evidence) ??
    fromXen(evidence) ??
    fromUnikraft(evidence) ??
    fromHost(hostEvidence(evidence.elf, evidence.interpreter)) ??
    fromMultiboot(evidence) ??
    fromHost(hostTraces(evidence.elf, evidence.interpreter)) ??
    unknown(evidence)
  );
}

function verdict(target: Target | null, reason: string, hint?: string): Verdict {
  return { target, reason, devices: [], manifest: "none", ...(hint === undefined ? {} : { hint }) };
}

function fromSolo5({ elf }: Evidence, report: Report): Verdict | null {
  const solo5 = readSolo5(elf, report);
  if (solo5 === null) return null;
  const { target, reason, abiVersion, manifest } = solo5;
  return {
    target,
    reason,
    devices: manifest.devices,
    manifest: manifest.state,
    ...(abiVersion === undefined ? {} : { abiVersion }),
  };
}

function fromLinux({ elf, xen }: Evidence): Verdict | null {
  return isVmlinux(elf, xen?.guestOs ?? "") ? verdict("linux", "it is an uncompressed Linux kernel (vmlinux)") : null;
}

function fromXen({ xen }: Evidence): Verdict | null {
  if (xen === null) return null;
  if (xen.pvh) return verdict("pvh", "a Xen note gives the PVH entry point");
  if (xen.pv)
    return verdict("pv", "the Xen notes are those of a PV guest", "Launch it with `type=pv`; it has no PVH entry.");
  return verdict(null, "the Xen notes give neither a PVH entry point nor a PV guest");
}

function fromUnikraft({ elf, multiboot }: Evidence): Verdict | null {
  const target = unikraftTarget(elf, multiboot);
  return target === null ? null : verdict(target, "it has the sections of a Unikraft image");
}

function fromHost(reason: string | null): Verdict | null {
  return reason === null ? null : verdict("unix", reason);
}

function fromMultiboot({ multiboot }: Evidence): Verdict | null {
  return multiboot === null ? null : verdict("multiboot", `there is a Multiboot ${multiboot} header`);
}

function unknown({ elf }: Evidence): Verdict {
  if (elf.header.type === ELF_TYPE.rel) return verdict(null, "it is an object file or a module, not yet linked");
  if (elf.header.type === ELF_TYPE.core) return verdict(null, "it is a memory dump");
  if (elf.header.type === ELF_TYPE.dyn && elf.header.entry === 0n) return verdict(null, "it is a shared library");
  return verdict(
    null,
    "nothing in this ELF file says what it was built for",
    "Solo5, Xen, Multiboot and Unikraft kernels carry a mark; was it removed by objcopy, or left out by the linker script?",
  );
}
