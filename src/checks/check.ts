/**
 * Check, Finding and the runner. A check looks and says; it never prints and never decides the outcome. A check that
 * throws, hangs or floods is itself reported as broken, never as passed. Pure but for what the check is given.
 */
import { messageOf } from "../errors.ts";
import type { IndexEntry } from "../image/index-file.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import type { ByteSource } from "../util/bytes.ts";

export type Severity = "error" | "warning" | "note";

/** What a check says of one thing. */
export interface Remark {
  readonly message: string;
  /** The file it is about: a path in the site, or of the release. */
  readonly path?: string;
  /** What to change. */
  readonly hint?: string;
  /** Less (or more) grave than the check's own severity. */
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
  /** The release now deployed, where that is known. */
  readonly deployed: ReleaseManifest | undefined;
  readonly limits: Limits;
  /** The image's files as a reader finds them that is not our writer; throws IMAGE_INVALID. */
  readonly readBack: (volume: string) => Promise<readonly IndexEntry[]>;
  /** Opens a file of the release: a kernel or an image. */
  readonly open: (file: string) => ByteSource & Disposable;
  /** `checks.<id>` of the configuration. */
  readonly settings: (id: string) => Readonly<Record<string, unknown>>;
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
  run(subject: CheckSubject): Iterable<Remark> | AsyncIterable<Remark>;
}

export interface RunOptions {
  /** A check that takes longer is broken (milliseconds). */
  readonly timeout?: number;
  /** A severity of its own for a check, or "off", by id. */
  readonly severities?: ReadonlyMap<string, Severity | "off">;
}

const TIMEOUT = 120_000;
/** More findings of one check than this say nothing new; the rest is counted. */
const MAX_FINDINGS = 1000;

/** Runs the checks in order and returns what they found. Never throws. */
export async function runChecks(
  checks: readonly Check[],
  subject: CheckSubject,
  options: RunOptions = {},
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    const severity = options.severities?.get(check.id) ?? check.severity;
    if (severity === "off") continue;
    findings.push(
      ...(await runCheck({ ...check, severity, run: check.run.bind(check) }, subject, options.timeout ?? TIMEOUT)),
    );
  }
  return findings;
}

async function runCheck(check: Check, subject: CheckSubject, timeout: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    await within(timeout, collect(check, subject, findings));
  } catch (error) {
    findings.push({
      check: check.id,
      severity: "error",
      broken: true,
      message: `the check itself broke, so nothing is known: ${messageOf(error)}`,
      hint: "this is a fault of unikernel-deploy; please report it",
    });
  }
  return findings;
}

async function collect(check: Check, subject: CheckSubject, findings: Finding[]): Promise<void> {
  let dropped = 0;
  const started = performance.now();
  for await (const remark of check.run(subject)) {
    if (findings.length < MAX_FINDINGS) findings.push({ check: check.id, severity: check.severity, ...remark });
    else if (++dropped % 1000 === 0 && performance.now() - started > TIMEOUT) break;
  }
  if (dropped === 0) return;
  findings.push({ check: check.id, severity: check.severity, message: `and ${dropped} more findings of this check` });
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
