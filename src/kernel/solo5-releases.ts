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

/** The first and last release that speaks an ABI version; without a last one, every later release does. */
interface Span {
  readonly first: string;
  readonly last?: string;
}

/** By target and ABI version. A tender accepts exactly its own version, in both directions. */
const RELEASES: Readonly<Record<Solo5Target, Readonly<Record<number, Span>>>> = {
  hvt: { 1: { first: "0.6.0", last: "0.7.5" }, 2: { first: "0.8.0" } },
  spt: { 1: { first: "0.6.0", last: "0.7.5" }, 2: { first: "0.8.0" } },
  virtio: { 1: { first: "0.6.0" } },
  muen: {
    1: { first: "0.6.0", last: "0.6.0" },
    2: { first: "0.6.5", last: "0.7.5" },
    3: { first: "0.8.0", last: "0.12.0" },
    4: { first: "0.12.1" },
  },
  genode: { 1: { first: "0.6.0", last: "0.6.9" } },
  xen: { 1: { first: "0.6.6" } },
};

/** The Solo5 releases that a kernel of this target and ABI version belongs to; null when none is known. */
export function solo5Releases(target: Solo5Target, abiVersion: number): string | null {
  const span = RELEASES[target][abiVersion];
  if (span === undefined) return null;
  if (span.last === undefined) return `${span.first} and later`;
  return span.last === span.first ? span.first : `${span.first} to ${span.last}`;
}

/** The ABI version that the tender of a Solo5 release ("0.12.1") accepts for a target; null when it has none. */
export function acceptedAbi(target: Solo5Target, release: string): number | null {
  for (const [version, { first, last }] of Object.entries(RELEASES[target])) {
    if (compareReleases(release, first) < 0) continue;
    if (last === undefined || compareReleases(release, last) <= 0) return Number(version);
  }
  return null;
}

/** Negative, 0 or positive as release `a` comes before, is or comes after `b`; a missing number counts as 0. */
function compareReleases(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether a target is one of Solo5's own. */
export function isSolo5Target(target: Target): target is Solo5Target {
  return Object.hasOwn(RELEASES, target);
}

/** Whether the tenders solo5-hvt or solo5-spt load kernels of this target, and so enforce their rules. */
export function isTended(target: Target | null): boolean {
  return target === "hvt" || target === "spt";
}
