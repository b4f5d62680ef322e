/** What accelerates qemu: KVM is tried, not guessed, and left for emulation where it does not work. */
import { closeSync, openSync } from "node:fs";
import type { ConsoleLog } from "./console.ts";
import type { Accel } from "./tender.ts";

/** KVM that works lets a guest speak within this time (milliseconds). */
export const KVM_SILENCE = 5000;

/** What to try, in order. That /dev/kvm can be opened proves little, but what cannot be opened need not be tried. */
export function accelerators(wanted: Accel | "auto", env: NodeJS.ProcessEnv): readonly [Accel, ...Accel[]] {
  const forced = env.UNIKERNEL_DEPLOY_ACCEL;
  if (forced === "tcg" || forced === "kvm") return [forced];
  if (wanted !== "auto") return [wanted];
  try {
    closeSync(openSync("/dev/kvm", "r+"));
    return ["kvm", "tcg"];
  } catch {
    return ["tcg"];
  }
}

/** Why KVM was left, in words: qemu ended before the guest said anything, or the guest stayed silent. */
export function whyNotKvm(console: ConsoleLog, ended: boolean): string {
  if (!ended) return "the guest was silent under KVM";
  return `qemu with KVM ended: ${console.tail(1)[0] ?? "it said nothing"}`;
}

/** Whether a line of a console that both write to is qemu's own, and not the guest's. */
export const isOfQemu = (line: string): boolean => /^(?:qemu[\w-]*: |KVM[: ])/.test(line);
