/** When a guest serves, and where: by the line it prints, else by asking it again and again. */
import http from "node:http";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DeployError } from "../errors.ts";
import { formatDuration } from "../util/size.ts";
import { describeEnd, type ProcessEnd } from "./ending.ts";
import type { Launched } from "./launch.ts";
import { forwardedPort } from "./qmp.ts";

/** Where HTTP requests go; fits the options of node:http. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** "listening on 10.0.2.15:80": what our example kernels print, and many servers. */
const LISTENING = /^listening on \S*:(\d{1,5})$/;
/** A guest that is going to print the line has done so by then, and need not be asked (milliseconds). */
const PATIENCE = 500;
/**
 * For one try: qemu accepts a connection before the guest exists, and repeats a first packet that nobody took only after
 * six seconds, so a try must be given up soon (milliseconds).
 */
const TRY = 250;

/**
 * Waits until the guest serves HTTP. Throws LAUNCH_FAILED, saying what its console says, when it ends first or when it
 * does not serve within `timeout` milliseconds of its start.
 */
export async function whenServing(launched: Launched, timeout: number): Promise<Endpoint> {
  const { guest, plan } = launched;
  const deadline = guest.started + timeout;
  using line = watchFor(launched, LISTENING);
  const early = await firstOf(Math.min(PATIENCE, timeout), line.found, guest.ended);
  let endpoint = await endpointOf(launched, timeout, printedPort(early));
  while (line.match === undefined) {
    failIfEnded(launched);
    if (endpoint === undefined || (await answers(endpoint))) break;
    if (performance.now() > deadline) throw late(launched, timeout);
    await firstOf(50, line.found, guest.ended);
  }
  failIfEnded(launched);
  if (plan.reach.kind === "printed" && line.match !== undefined)
    endpoint = await endpointOf(launched, timeout, printedPort(line.match));
  if (endpoint === undefined) throw late(launched, timeout);
  return endpoint;
}

/** The first of `events` to come, or undefined after so many milliseconds; leaves no timer behind. */
async function firstOf<T extends readonly Promise<unknown>[]>(
  milliseconds: number,
  ...events: T
): Promise<Awaited<T[number]> | undefined> {
  const stop = new AbortController();
  const late = delay(Math.max(0, milliseconds), undefined, { signal: stop.signal }).catch(() => undefined);
  try {
    return (await Promise.race([...events, late])) as Awaited<T[number]> | undefined;
  } finally {
    stop.abort();
  }
}

const printedPort = (match: unknown) => (Array.isArray(match) ? Number(match[1]) : undefined);

/**
 * Waits for a line of the console that matches. Throws LAUNCH_FAILED when the guest ends first, or when there is none
 * within `timeout` milliseconds of its start.
 */
export async function whenPrinted(launched: Launched, pattern: RegExp, timeout: number): Promise<void> {
  const { guest } = launched;
  using line = watchFor(launched, pattern);
  await firstOf(guest.started + timeout - performance.now(), line.found, guest.ended);
  if (line.match !== undefined) return;
  failIfEnded(launched);
  throw new DeployError("LAUNCH_FAILED", `no line of its console matched ${pattern} within ${formatDuration(timeout)}`);
}

/** Waits for the guest's end. Throws LAUNCH_FAILED when it has not ended `timeout` milliseconds after its start. */
export async function whenEnded({ guest }: Launched, timeout: number): Promise<ProcessEnd> {
  const end = await firstOf(guest.started + timeout - performance.now(), guest.ended);
  if (guest.offence !== undefined) throw new DeployError("LAUNCH_FAILED", `the guest was stopped: ${guest.offence}`);
  if (end) return end;
  throw new DeployError("LAUNCH_FAILED", `the guest did not end within ${formatDuration(timeout)}`);
}

function watchFor({ guest }: Launched, pattern: RegExp) {
  let settle: (match: RegExpExecArray) => void = () => {};
  const found = new Promise<RegExpExecArray>((resolve) => {
    settle = resolve;
  });
  let match: RegExpExecArray | undefined;
  const stop = guest.console.watch((line) => {
    const result = match === undefined ? pattern.exec(line) : null;
    if (!result) return;
    match = result;
    settle(result);
  });
  return {
    found,
    get match() {
      return match;
    },
    [Symbol.dispose]: stop,
  };
}

async function endpointOf(
  { guest, plan, directory }: Launched,
  timeout: number,
  printed: number | undefined,
): Promise<Endpoint | undefined> {
  if (guest.end) return undefined;
  const { reach } = plan;
  if (reach.kind === "socket") return { socketPath: path.join(directory, reach.path) };
  if (reach.kind === "printed") return { host: "127.0.0.1", port: printed ?? reach.port };
  const port = guest.control ? await forwardedPort(guest.control, timeout) : undefined;
  if (port !== undefined) return { host: "127.0.0.1", port };
  // The socket closed because qemu ends: in a moment it will have.
  await firstOf(1000, guest.ended);
  return undefined;
}

/** Throws LAUNCH_FAILED when the guest is no more. */
export function failIfEnded({ guest, plan }: Launched): void {
  if (guest.offence !== undefined) throw new DeployError("LAUNCH_FAILED", `the guest was stopped: ${guest.offence}`);
  if (guest.end)
    throw new DeployError(
      "LAUNCH_FAILED",
      `the guest ${describeEnd(guest.console, guest.end, plan.reach.kind === "qmp")}`,
    );
}

function late({ guest }: Launched, timeout: number): DeployError {
  const last = guest.console.tail(1)[0];
  const said = last === undefined ? "and printed nothing" : `its last line was: ${last}`;
  return new DeployError("LAUNCH_FAILED", `the guest did not serve HTTP within ${formatDuration(timeout)}; ${said}`, {
    hint: "does it listen on this port (checks.boot.port) and take its address from these arguments (checks.boot.args)?",
  });
}

/** Whether anything that looks like HTTP comes back. */
function answers(endpoint: Endpoint): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get({ ...endpoint, path: "/", agent: false, signal: AbortSignal.timeout(TRY) }, (response) => {
      response.destroy();
      resolve(true);
    });
    request.on("error", () => resolve(false));
  });
}
