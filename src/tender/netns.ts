/** A network namespace of its own for a guest that wants a tap: nothing of the host's network is touched. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { exec } from "../util/exec.ts";
import { findProgram } from "../util/programs.ts";
import { GUEST_NET, type LaunchPlan } from "./tender.ts";

/** What the program inside the namespace is to do. */
export interface NetnsOrder {
  /** Lines for `ip -batch`. */
  readonly network: readonly string[];
  readonly argv: readonly string[];
  readonly guest: string;
  readonly port: number;
  /** Relative to the working directory: paths of sockets have at most 107 bytes. */
  readonly socket: string;
}

/** The taps that a guest's network devices get, by device name: tap0, tap1, … */
export function tapNames(devices: readonly string[]): Record<string, string> {
  return Object.fromEntries(devices.map((device, i) => [device, `tap${i}`]));
}

/** The order for a launch: taps made and up, the first with the gateway's address. Pure. */
export function netnsOrder(plan: LaunchPlan, taps: readonly string[], port: number): NetnsOrder {
  const { address, prefix, gateway } = GUEST_NET;
  const network = taps.flatMap((tap, i) => [
    `tuntap add dev ${tap} mode tap`,
    ...(i === 0 ? [`address add ${gateway}/${prefix} dev ${tap}`] : []),
    `link set dev ${tap} up`,
  ]);
  const socket = plan.reach.kind === "socket" ? plan.reach.path : "relay.sock";
  return { network: ["link set dev lo up", ...network], argv: plan.argv, guest: address, port, socket };
}

/** The command line that carries out an order inside a new namespace. `enter` is what `findEntry` found. */
export function netnsArgv(enter: readonly string[], order: NetnsOrder): [string, ...string[]] {
  return [...enter, process.execPath, helper(), JSON.stringify(order)] as unknown as [string, ...string[]];
}

/** A way into a namespace where taps can be made, or why there is none. */
export type Entry = { readonly enter: readonly string[] } | { readonly missing: string };

/**
 * Finds out by doing: as root, as root of a user namespace, by sudo without a password. Each is tried by making a tap in
 * a namespace that is gone at once.
 */
export async function findEntry(env: NodeJS.ProcessEnv): Promise<Entry> {
  for (const program of ["unshare", "ip"]) {
    if (!findProgram(program, env.PATH))
      return { missing: `${program} is not installed, which makes the network namespace` };
  }
  const root = process.getuid?.() === 0;
  const ways = root
    ? [["unshare", "--net", "--"]]
    : [
        ["unshare", "--user", "--map-root-user", "--net", "--"],
        ["sudo", "-n", "--", "unshare", "--net", "--"],
      ];
  let said = "";
  for (const enter of ways) {
    const trial = [...enter, "ip", "tuntap", "add", "dev", "tap0", "mode", "tap"] as unknown as [string, ...string[]];
    try {
      const { code, stderr } = await exec(trial, { env });
      if (code === 0) return { enter };
      said = stderr.trim().split("\n").at(-1) ?? "";
    } catch {
      // No sudo here.
    }
  }
  return {
    missing: `a tap cannot be made${root ? "" : ", neither in a user namespace nor by sudo -n"}${said && `: ${said}`}`,
  };
}

/** The helper program: beside this module in the sources, beside the doors in dist/. */
function helper(): string {
  const places = ["./netns-main.ts", "./netns.js", "../netns.js"].map((place) => new URL(place, import.meta.url));
  return fileURLToPath(places.find((place) => existsSync(place)) ?? (places[1] as URL));
}
