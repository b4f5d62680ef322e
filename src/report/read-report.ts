/** report.json read back in a job that did not write it: data of others, so every field is judged. Pure. */
import * as v from "valibot";
import type { Finding } from "../checks/check.ts";
import { passes } from "../checks/ignore.ts";
import { comparisonSchema } from "./comparison.ts";
import type { RunResult } from "./result.ts";

/** More than this is no report of ours (bytes). */
export const MAX_REPORT = 16 * 1024 * 1024;

const MAX_FINDINGS = 100_000;
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const number = v.pipe(v.number(), v.finite(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(100_000));
/** Shown as code and between words, so it holds nothing that could end either. */
const word = v.pipe(v.string(), v.regex(/^[\w./ +:,()-]{1,200}$/));

const finding = v.object({
  check: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/)),
  severity: v.picklist(["error", "warning", "note"]),
  message: text,
  path: v.exactOptional(text),
  line: v.exactOptional(whole),
  hint: v.exactOptional(text),
  broken: v.exactOptional(v.literal(true)),
});
const findings = v.pipe(v.array(finding), v.maxLength(MAX_FINDINGS));

const boot = v.object({
  kernel: word,
  target: v.nullable(word),
  outcome: v.picklist(["passed", "failed", "skipped"]),
  reason: v.exactOptional(text),
  hint: v.exactOptional(text),
  tender: v.nullable(word),
  accel: v.nullable(v.picklist(["kvm", "tcg"])),
  fallback: v.exactOptional(text),
  probe: v.picklist(["http", "exit", "console"]),
  memory: number,
  ready: v.exactOptional(number),
  firstByte: v.exactOptional(number),
  figures: v.exactOptional(
    v.object({
      pages: number,
      bytes: number,
      seconds: number,
      pagesPerSecond: number,
      megabytesPerSecond: number,
      connections: number,
    }),
  ),
  mismatched: number,
});

const reportSchema = v.object({
  type: v.literal("unikernel-deploy.report"),
  version: v.literal(1),
  name: text,
  commit: v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/)),
  findings,
  ignored: findings,
  boot: v.exactOptional(v.pipe(v.array(boot), v.maxLength(64))),
  comparison: v.exactOptional(comparisonSchema),
});

export type CarriedReport = v.InferOutput<typeof reportSchema>;

/** Undefined for anything that is not a report of ours. */
export function parseReport(json: string): CarriedReport | undefined {
  if (json.length > MAX_REPORT) return undefined;
  try {
    const result = v.safeParse(reportSchema, JSON.parse(json));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A result that speaks for the job that built the release: its findings, and what checking again found besides. A job that
 * only comments has neither the site's configuration nor the right to boot a guest, so it would otherwise say less, or
 * object to what was decided to be lived with. A release that is to be deployed is never judged by this.
 */
export function speakFor(report: CarriedReport, result: RunResult): RunResult {
  if (report.commit !== result.manifest.source.commit || report.name !== result.manifest.name) return result;
  const said = new Set([...report.findings, ...report.ignored].map(keyOf));
  const found = [...report.findings, ...result.findings.filter((finding) => !said.has(keyOf(finding)))];
  const boots = report.boot?.map((booted) => ({ ...booted, mismatches: [], console: [] }));
  return {
    ...result,
    findings: found,
    ignored: report.ignored,
    passed: passes(found),
    ...(boots ? { boot: boots } : {}),
    ...(report.comparison ? { comparison: report.comparison } : {}),
  };
}

const keyOf = ({ check, path, message }: Finding) => JSON.stringify([check, path, message]);
