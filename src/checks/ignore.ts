/** Which findings the user has chosen to live with, and the verdict on the rest. Pure. */
import { nearestOf } from "../util/nearest.ts";
import type { Finding } from "./check.ts";

export interface Judged {
  readonly findings: readonly Finding[];
  /** Findings that an ignore rule covers. */
  readonly ignored: readonly Finding[];
}

/** The name under which a rule that covers nothing is a finding. */
export const IGNORE_RULE = "ignore";

/**
 * Applies ignore rules, each `ID` or `ID:PATH`, of checks with these ids. A check that broke cannot be ignored by path. A rule
 * that covers nothing is itself a note: it hides the next finding nobody has looked at.
 */
export function applyIgnores(
  findings: readonly Finding[],
  rules: readonly string[],
  checks: readonly string[],
): Judged {
  const used = new Set<string>();
  const kept: Finding[] = [];
  const ignored: Finding[] = [];
  for (const finding of findings) {
    const rule = rules.find((candidate) => covers(candidate, finding));
    if (rule === undefined) kept.push(finding);
    else {
      used.add(rule);
      ignored.push(finding);
    }
  }
  for (const rule of new Set(rules)) {
    if (used.has(rule)) continue;
    kept.push({ check: IGNORE_RULE, severity: "note", ...uselessness(rule, checks) });
  }
  return { findings: kept, ignored };
}

function uselessness(rule: string, checks: readonly string[]): { readonly message: string; readonly hint: string } {
  const [id = ""] = rule.split(":");
  if (checks.includes(id)) {
    return {
      message: `the ignore rule ${JSON.stringify(rule)} covers no finding`,
      hint: "remove it, so that it does not hide the next one",
    };
  }
  const nearest = nearestOf(id, checks);
  return {
    message: `the ignore rule ${JSON.stringify(rule)} covers no finding: there is no check ${JSON.stringify(id)}`,
    hint: nearest === undefined ? `the checks are ${checks.join(", ")}` : `did you mean ${nearest}?`,
  };
}

function covers(rule: string, finding: Finding): boolean {
  const colon = rule.indexOf(":");
  if (colon < 0) return rule === finding.check;
  return rule.slice(0, colon) === finding.check && rule.slice(colon + 1) === finding.path;
}

/** Whether findings let a release be deployed. The exit code of `check` is 0 or 1 by this alone. */
export function passes(findings: readonly Finding[]): boolean {
  return findings.every(({ severity }) => severity !== "error");
}
