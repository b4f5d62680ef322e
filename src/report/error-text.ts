/** Errors as text. On its own, so that telling one loads nothing else. Pure. */
import type { DeployError } from "../errors.ts";
import { printable } from "../util/printable.ts";

/** An error for a person: what happened, every problem, and what to do. */
export function renderError(error: DeployError): string {
  const shown = error.problems.slice(0, MAX_PROBLEMS).map((problem) => `  - ${problem}`);
  const more = error.problems.length - shown.length;
  const lines = [
    `error[${error.code}]: ${error.message}`,
    ...shown,
    ...(more > 0 ? [`  … and ${more} more`] : []),
    ...(error.hint ? [`  → ${error.hint}`] : []),
  ];
  return printable(lines.join("\n"));
}

const MAX_PROBLEMS = 50;
