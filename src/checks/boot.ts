/** check: boot. What booting a release found, as findings like those of the other checks. Pure. */
import type { Finding } from "./check.ts";
import type { BootReport, Mismatch } from "./boot/report.ts";

export const BOOT_CHECK = "boot";

/** Findings name this many pages one by one; the boot report has more. */
const NAMED = 20;

/** A failure is an error; a boot that was skipped is a note, or an error where one was required and none took place. */
export function bootFindings(reports: readonly BootReport[], required: boolean): Finding[] {
  const booted = reports.some(({ outcome }) => outcome !== "skipped");
  const findings = reports.flatMap((report) => {
    if (report.outcome === "failed") return failures(report);
    return report.outcome === "skipped" ? [skipped(report, required && !booted)] : [];
  });
  if (reports.length > 0 || !required) return findings;
  return [{ check: BOOT_CHECK, severity: "error", message: "there is no kernel to boot" }];
}

function failures(report: BootReport): Finding[] {
  const { kernel, tender, reason, hint, mismatched, mismatches, console: lines } = report;
  const with_ = tender === null ? "" : ` with ${tender}`;
  const said = lines.length === 0 ? "" : `; last lines of the console: ${lines.slice(-3).join(" / ")}`;
  const main = {
    path: kernel,
    message: `${kernel} does not pass${with_}: ${reason}${said}`,
    ...(hint === undefined ? {} : { hint }),
  };
  // The first mismatch is in the reason; one alone needs no line of its own.
  const named = mismatches.length > 1 ? mismatches.slice(0, NAMED) : [];
  const left = mismatched - named.length;
  const rest =
    named.length > 0 && left > 0
      ? [{ path: kernel, message: `and ${left} more pages; report.json lists the first 100` }]
      : [];
  return [main, ...named.map(pageRemark), ...rest].map((remark) => ({
    check: BOOT_CHECK,
    severity: "error",
    ...remark,
  }));
}

const pageRemark = ({ path, message }: Mismatch) => ({ path, message: `${path}: ${message}` });

function skipped({ kernel, reason, hint }: BootReport, isError: boolean): Finding {
  const message = isError
    ? `${kernel} had to be booted and was SKIPPED: ${reason}`
    : `${kernel} was not booted (SKIPPED): ${reason}`;
  return {
    check: BOOT_CHECK,
    severity: isError ? "error" : "note",
    path: kernel,
    message,
    ...(hint === undefined ? {} : { hint }),
  };
}
