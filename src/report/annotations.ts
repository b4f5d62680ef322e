/** Findings as annotations of a workflow run. Pure. */
import type { Finding } from "../checks/check.ts";
import { groups } from "./text.ts";

export interface Annotation {
  readonly level: "error" | "warning" | "notice";
  readonly title: string;
  readonly message: string;
  /** Path in the checkout, where the finding is about a file of it. */
  readonly file?: string;
  readonly line?: number;
}

const LEVELS = { error: "error", warning: "warning", note: "notice" } as const;
/** GitHub shows ten annotations of a level a step; a few of each check say more than ten of one. */
const PER_CHECK = 3;

/** `locate` maps the path of a finding to one in the checkout, where there is one. */
export function renderAnnotations(
  findings: readonly Finding[],
  locate: (path: string) => string | undefined = () => undefined,
): Annotation[] {
  return groups(findings).flatMap(([check, members]) => {
    const shown = members.slice(0, PER_CHECK).map(({ severity, message, hint, path, line }): Annotation => {
      const file = path === undefined ? undefined : locate(path);
      return {
        level: LEVELS[severity],
        title: check,
        message: hint ? `${message}\n→ ${hint}` : message,
        ...(file === undefined ? {} : { file }),
        ...(file === undefined || line === undefined ? {} : { line }),
      };
    });
    const more = members.length - shown.length;
    const last = shown.at(-1);
    return more > 0 && last
      ? [
          ...shown,
          { level: last.level, title: check, message: `… and ${more} more of this kind; the summary has them` },
        ]
      : shown;
  });
}
