/** Boots one kernel and probes it: from launch to report. */
import { setTimeout as delay } from "node:timers/promises";
import type { KernelArtifact, VolumeArtifact } from "../../artifact/artifact.ts";
import { DeployError } from "../../errors.ts";
import { guestCode, tellingLine } from "../../tender/ending.ts";
import { type Launched, type LaunchRequest, launch } from "../../tender/launch.ts";
import { failIfEnded, whenEnded, whenPrinted, whenServing } from "../../tender/ready.ts";
import type { Block } from "../../tender/tender.ts";
import { type OpenFile, openFile } from "../../util/files.ts";
import { count, formatSize } from "../../util/size.ts";
import { pagesOf } from "./pages.ts";
import { type HttpOutcome, probeHttp } from "./probe-http.ts";
import type { BootReport } from "./report.ts";
import type { BootSettings } from "./settings.ts";

/** A kernel and all that it is booted with. */
export interface Subject {
  /** Path in the release. */
  readonly path: string;
  readonly kernel: KernelArtifact;
  readonly blocks: readonly Block[];
  /** The data volumes that it is to serve. */
  readonly volumes: readonly VolumeArtifact[];
  /** In MiB. */
  readonly memory: number;
  /** Arguments of production. */
  readonly production: readonly string[];
  readonly settings: BootSettings;
  /** Told what is being done, in words. */
  readonly onProgress: (what: string) => void;
}

type Findings = Pick<BootReport, "ready" | "firstByte" | "figures" | "reason" | "hint"> &
  Partial<Pick<BootReport, "mismatched" | "mismatches">>;

/** Lines of the console that a report of a failure shows. */
const CONSOLE_LINES = 15;
/** What a healthy guest may print: this much, and so much for each request that it may log (bytes). */
const CHATTER = 64 * 1024;
const CHATTER_PER_PAGE = 2048;
/** A guest that goes on printing once it serves is listened to for so long while nobody asks for anything (milliseconds). */
const LISTEN = 300;
/** What it may print in that time (bytes); a flood is slow where the console is emulated, 80 kB/s at first. */
const IDLE_CHATTER = 1024;

/** Never throws for what the kernel or its tender does; the report says it. */
export async function bootKernel(subject: Subject, request: LaunchRequest): Promise<BootReport> {
  const { path, kernel, memory, settings } = subject;
  const base = { kernel: path, target: kernel.info.target, tender: request.tender, probe: settings.probe.kind, memory };
  let launched: Launched | undefined;
  let found: Findings;
  try {
    subject.onProgress("preparing");
    launched = await launch(request);
    subject.onProgress("booting");
    found = await PROBES[settings.probe.kind](launched, subject);
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    found = { reason: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  } finally {
    subject.onProgress("tearing down");
    await launched?.[Symbol.asyncDispose]();
  }
  const failed = found.reason !== undefined;
  return {
    ...base,
    outcome: failed ? "failed" : "passed",
    accel: launched?.accel ?? null,
    ...(launched?.fallback === undefined ? {} : { fallback: launched.fallback }),
    mismatched: 0,
    mismatches: [],
    ...found,
    console: failed ? (launched?.guest.console.tail(CONSOLE_LINES) ?? []) : [],
  };
}

const PROBES = {
  http: bootAndFetch,
  console: bootAndRead,
  exit: bootToEnd,
} as const satisfies Record<string, (launched: Launched, subject: Subject) => Promise<Findings>>;

async function bootAndFetch(launched: Launched, { volumes, settings, onProgress }: Subject): Promise<Findings> {
  const endpoint = await whenServing(launched, settings.timeout);
  const ready = Math.round(performance.now() - launched.guest.started);
  onProgress("fetching");
  const printed = launched.guest.console.bytes;
  using images = openImages(volumes);
  const served = volumes.map(({ format, index }, i) => {
    const entries = [...format.list(images.sources[i] as OpenFile)];
    return { entries, ids: index.map(({ id }) => id) };
  });
  const pages = pagesOf(served);
  const outcome = await probeHttp(launched, endpoint, {
    pages,
    images: images.sources,
    stall: settings.timeout,
    onProgress: (done, total) => onProgress(`fetching, ${done} of ${total} pages`),
  });
  const { firstByte, figures, mismatched, mismatches } = outcome;
  const reason = reasonOf(outcome, launched, pages.length) ?? (await floodOf(launched, pages.length, printed));
  return {
    ready,
    ...(firstByte === undefined ? {} : { firstByte }),
    figures,
    mismatched,
    mismatches,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** The first thing that is wrong, the gravest first: the guest's end explains its mismatches. */
function reasonOf(
  { mismatched, mismatches, left }: HttpOutcome,
  launched: Launched,
  total: number,
): string | undefined {
  const { guest } = launched;
  try {
    failIfEnded(launched);
  } catch (error) {
    return (error as DeployError).message;
  }
  if (mismatched > 0) {
    const first = mismatches[0];
    const rest = left > 0 ? `; ${count(left, "page")} not asked for, as it had stopped answering` : "";
    const line = tellingLine(guest.console);
    const said = line !== undefined && /panic|abort|error/i.test(line) ? ` (console: ${line})` : "";
    return `${count(mismatched, "page")} of ${total} not as in the image, the first ${first?.path}: ${first?.message}${rest}${said}`;
  }
  return undefined;
}

/** A guest that prints without end fills its host's log. One that is slow about it does so while idle, too. */
async function floodOf({ guest }: Launched, pages: number, printed: number): Promise<string | undefined> {
  const { bytes } = guest.console;
  if (bytes > CHATTER + CHATTER_PER_PAGE * pages)
    return `the guest floods its console: ${formatSize(bytes)} for ${count(pages, "page")}`;
  if (bytes === printed) return undefined;
  await delay(LISTEN);
  const more = guest.console.bytes - bytes;
  return more < IDLE_CHATTER
    ? undefined
    : `the guest floods its console: ${formatSize(more)} in ${LISTEN} ms in which nobody asked for anything`;
}

async function bootAndRead(launched: Launched, { settings }: Subject): Promise<Findings> {
  await whenPrinted(launched, new RegExp(settings.probe.pattern ?? "."), settings.timeout);
  return { ready: Math.round(performance.now() - launched.guest.started) };
}

async function bootToEnd(launched: Launched, { settings }: Subject): Promise<Findings> {
  const end = await whenEnded(launched, settings.timeout);
  const expected = settings.probe.code ?? 0;
  const code = guestCode(launched.guest.console, end, launched.plan.reach.kind === "qmp");
  const line = tellingLine(launched.guest.console);
  const said = line === undefined ? "" : ` (${line})`;
  if (code === undefined)
    return {
      reason: `the guest ended without saying how${said}`,
      hint: "under qemu only a Solo5 kernel tells its exit code",
    };
  return code === expected ? {} : { reason: `the guest ended with exit code ${code}, expected ${expected}${said}` };
}

function openImages(volumes: readonly VolumeArtifact[]): Disposable & { readonly sources: readonly OpenFile[] } {
  const sources: OpenFile[] = [];
  const close = () => {
    for (const source of sources) source[Symbol.dispose]();
  };
  try {
    for (const { file } of volumes) sources.push(openFile(file));
  } catch (error) {
    close();
    throw error;
  }
  return { sources, [Symbol.dispose]: close };
}
