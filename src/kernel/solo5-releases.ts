/** Which releases of Solo5 made and accept which ABI version. Pure. */
import type { Target } from "./target.ts";

export type Solo5Target = Extract<Target, "hvt" | "spt" | "virtio" | "muen" | "genode" | "xen">;

/** abi_target of the ABI note to its name. Genode left with 0.7.0; its number stays reserved. */
export const SOLO5_TARGETS: ReadonlyMap<number, Solo5Target> = new Map([
  [1, "hvt"],
  [2, "spt"],
  [3, "virtio"],
  [4, "muen"],
  [5, "genode"],
  [6, "xen"],
]);

/** The releases that speak each ABI version; a tender accepts exactly its own, in both directions. */
const RELEASES: Readonly<Record<Solo5Target, Readonly<Record<number, string>>>> = {
  hvt: { 1: "0.6.0 to 0.7.5", 2: "0.8.0 and later" },
  spt: { 1: "0.6.0 to 0.7.5", 2: "0.8.0 and later" },
  virtio: { 1: "0.6.0 and later" },
  muen: { 1: "0.6.0", 2: "0.6.5 to 0.7.5", 3: "0.8.0 to 0.12.0", 4: "0.12.1 and later" },
  genode: { 1: "0.6.0 to 0.6.9" },
  xen: { 1: "0.6.6 and later" },
};

/** The Solo5 releases that a kernel of this target and ABI version belongs to; null when none is known. */
export function solo5Releases(target: Solo5Target, abiVersion: number): string | null {
  return RELEASES[target][abiVersion] ?? null;
}

/** Whether the tenders solo5-hvt or solo5-spt load kernels of this target, and so enforce their rules. */
export function isTended(target: Target | null): boolean {
  return target === "hvt" || target === "spt";
}
