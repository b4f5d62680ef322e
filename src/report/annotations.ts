/** Findings as annotations of a workflow run. Pure. */
import type { Finding } from "../checks/check.ts";
import { groups } from "./text.ts";

export interface Annotation {
  readonly level: "error" | "warning" | "notice";
  readonly title: string;
  readonly message: string;
}

const LEVELS = { error: "error", warning: "warning", note: "notice" } as const;
/** GitHub shows ten annotations of a level a step; a few of each check say more than ten of one. */
const PER_CHECK = 3;

export function renderAnnotations(findings: readonly Finding[]): Annotation[] {
  return groups(findings).flatMap(([check, members]) => {
    const shown = members.slice(0, PER_CHECK).map(({ severity, message, hint }) => ({
      level: LEVELS[severity],
      title: check,
      message: hint ? `${message}\n→ ${hint}` : message,
    }));
    const more = members.length - shown.length;
    const last = shown.at(-1);
    return more > 0 && last
      ? [...shown, { ...last, message: `… and ${more} more of this kind; the summary has them` }]
      : shown;
  });
}
