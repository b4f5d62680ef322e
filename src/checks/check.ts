/**
 * Check, Finding and the runner. A check looks and says; it never prints and never decides the outcome. A check that
 * throws, hangs or floods is itself reported as broken, never as passed. Pure but for what the check is given.
 */
import { messageOf } from "../errors.ts";
import type { IndexEntry } from "../image/index-file.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import type { ByteSource } from "../util/bytes.ts";
import { count } from "../util/size.ts";

export type Severity = "error" | "warning" | "note";

/** What a check says of one thing. */
export interface Remark {
  readonly message: string;
  /** The file it is about: a path in the site, or of the release. */
  readonly path?: string;
  /** The line in that file, from 1. */
  readonly line?: number;
  /** What to change. */
  readonly hint?: string;
  /** Where it differs from the check's own severity. */
  readonly severity?: Severity;
}

export interface Finding extends Remark {
  /** The check's id. */
  readonly check: string;
  readonly severity: Severity;
  /** Set when the check itself failed and nothing is known of what it looks at. */
  readonly broken?: true;
}

/** What checks look at: exactly what would ship. */
export interface CheckSubject {
  readonly release: Release;
  /** The release now deployed, where that is known. Asking costs a look at where it is deployed. */
  readonly deployed: () => Promise<ReleaseManifest | undefined>;
  readonly limits: Limits;
  /** Whether the release goes to an OCI registry, which takes files of any size. */
  readonly registry: boolean;
  /** Whether images that urunc runs are to be made of it. */
  readonly runnable: boolean;
  /** The image's files as a reader finds them that is not our writer; throws IMAGE_INVALID. */
  readonly readBack: (volume: string) => Promise<readonly IndexEntry[]>;
  /** Opens a file of the release: a kernel or an image. */
  readonly open: (file: string) => ByteSource & Disposable;
  /** `checks.<id>` of the configuration. */
  readonly settings: (id: string) => Readonly<Record<string, unknown>>;
  /**
   * Whether nothing but errors is wanted: a release that was checked when it was built is about to be deployed. A check may
   * leave out whatever it would only warn of.
   */
  readonly errorsOnly: boolean;
  /** Builds the release once more, elsewhere; absent where there is nothing to build from. */
  readonly rebuild?: () => Promise<Release & Disposable>;
}

/** Budgets in bytes. */
export interface Limits {
  readonly maxKernelSize: number | undefined;
  readonly maxImageSize: number | undefined;
}

export interface Check {
  /** Kebab case; also the name of its page in docs/checks/. */
  readonly id: string;
  /** What holds when the check passes. */
  readonly title: string;
  /** Of its findings, unless one says otherwise. */
  readonly severity: Severity;
  /** Of its gravest findings, where that is another one. */
  readonly gravest?: Severity;
  /** Milliseconds, where the check runs what others wrote and so needs longer than others. */
  readonly timeout?: number;
  run(subject: CheckSubject): Iterable<Remark> | AsyncIterable<Remark>;
}

export interface RunOptions {
  /** A check that takes longer is broken (milliseconds), unless it has a limit of its own. */
  readonly timeout?: number;
  /**
   * A severity of its own for a check, or "off", by id. Findings that the check calls less grave than its usual ones stay
   * so, and none is graver than this.
   */
  readonly severities?: ReadonlyMap<string, Severity | "off">;
}

const TIMEOUT = 120_000;
/** More findings of one check than this say nothing new; the rest is counted. */
const MAX_FINDINGS = 1000;
/** Counting ends too: a check that finds something in every byte would never come to an end. */
const MAX_COUNTED = 1_000_000;
/** After so many remarks everything else, the time limit included, gets its turn. */
const TURN = 1000;

/** Runs the checks in order and returns what they found. Never throws. */
export async function runChecks(
  checks: readonly Check[],
  subject: CheckSubject,
  options: RunOptions = {},
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    const severity = options.severities?.get(check.id);
    if (severity === "off" || (subject.errorsOnly && !canRefuse(check, severity))) continue;
    const found = await runCheck(check, subject, check.timeout ?? options.timeout ?? TIMEOUT);
    for (const finding of found) findings.push(severity === undefined ? finding : regrade(finding, check, severity));
  }
  return findings;
}

/** Whether a check can make an error of anything, by its nature or as it is configured. */
function canRefuse({ severity, gravest }: Check, configured: Severity | undefined): boolean {
  return (configured ?? gravest ?? severity) === "error";
}

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, note: 2 };

/** A check that broke stays an error: nobody chose to live with what it would have found. */
function regrade(finding: Finding, check: Check, severity: Severity): Finding {
  if (finding.broken) return finding;
  const isMinor = RANK[finding.severity] > RANK[check.severity];
  return isMinor && RANK[finding.severity] > RANK[severity] ? finding : { ...finding, severity };
}

async function runCheck(check: Check, subject: CheckSubject, timeout: number): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const deadline = performance.now() + timeout;
  const late = () => new Error(`no answer within ${timeout / 1000} s`);
  const assertInTime = () => {
    if (performance.now() > deadline) throw late();
  };
  try {
    await within(timeout, late, collect(check, guarded(subject, assertInTime), findings, assertInTime));
    return findings;
  } catch (error) {
    const broken: Finding = {
      check: check.id,
      severity: "error",
      broken: true,
      message: `the check itself broke, so not all is known: ${messageOf(error)}`,
      hint: "this is a fault of unikernel-deploy; please report it",
    };
    // A copy: a check that hangs may wake up later and go on.
    return [...findings, broken];
  }
}

/**
 * The subject with a time limit in every read. A check that never gives way cannot be stopped from outside in one thread,
 * but all of them read: this stops one that goes on and on over an image.
 */
function guarded(subject: CheckSubject, assertInTime: () => void): CheckSubject {
  const open: CheckSubject["open"] = (file) => {
    assertInTime();
    const source = subject.open(file);
    return {
      size: source.size,
      read(offset, length) {
        assertInTime();
        return source.read(offset, length);
      },
      [Symbol.dispose]: () => source[Symbol.dispose](),
    };
  };
  return { ...subject, open };
}

async function collect(
  check: Check,
  subject: CheckSubject,
  findings: Finding[],
  assertInTime: () => void,
): Promise<void> {
  let seen = 0;
  for await (const remark of check.run(subject)) {
    if (++seen <= MAX_FINDINGS) findings.push({ check: check.id, severity: check.severity, ...remark });
    if (seen === MAX_COUNTED) break;
    if (seen % TURN !== 0) continue;
    assertInTime();
    await new Promise(setImmediate);
  }
  if (seen <= MAX_FINDINGS) return;
  const more = `${seen === MAX_COUNTED ? "more than " : ""}${count(seen - MAX_FINDINGS, "more finding")}`;
  findings.push({ check: check.id, severity: check.severity, message: `and ${more} of this check` });
}

async function within(milliseconds: number, late: () => Error, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
