/** What booting came to, for people: lines for a terminal, a table for a summary. Pure. */
import type { BootReport } from "../checks/boot/report.ts";
import { count, formatDuration, formatSize } from "../util/size.ts";

/** One line a kernel, and below a failed one the end of its console. */
export function renderBoot(reports: readonly BootReport[]): string {
  return reports
    .map((report) => {
      const { kernel, outcome, reason, hint, console } = report;
      if (outcome === "skipped") return `boot: SKIPPED ${kernel}: ${reason}${hint ? `\n    → ${hint}` : ""}`;
      const line = `boot: ${outcome} ${kernel} ${withWhat(report)}${figuresText(report)}`;
      return [line, ...console.map((said) => `    | ${said}`)].join("\n");
    })
    .join("\n");
}

/** A Markdown table; empty when nothing was to be booted. `escape` keeps what a guest said from becoming markup. */
export function renderBootTable(reports: readonly BootReport[], escape: (text: string) => string): string {
  if (reports.length === 0) return "";
  const rows = reports.map((report) => {
    const { kernel, outcome, reason } = report;
    const icon = { passed: "✅", failed: "❌", skipped: "⏭️ SKIPPED" }[outcome];
    const what = outcome === "skipped" ? escape(reason ?? "") : `${withWhat(report)}${figuresText(report)}`;
    return `| \`${kernel}\` | ${icon} | ${what} |`;
  });
  return ["| boot | | |", "| --- | --- | --- |", ...rows].join("\n");
}

function withWhat({ tender, accel, memory, fallback }: BootReport): string {
  if (tender === null) return "without a tender";
  const how = accel === null ? tender : `${tender} (${accel}${fallback === undefined ? "" : ", KVM did not work"})`;
  return `with ${how} in ${memory} MiB`;
}

function figuresText({ firstByte, ready, figures, mismatched }: BootReport): string {
  const parts: string[] = [];
  if (firstByte !== undefined) parts.push(`first byte after ${formatDuration(firstByte)}`);
  else if (ready !== undefined) parts.push(`ready after ${formatDuration(ready)}`);
  if (figures) {
    const { pages, bytes, seconds, pagesPerSecond, megabytesPerSecond } = figures;
    const rates = `${pagesPerSecond} pages/s, ${megabytesPerSecond} MB/s`;
    parts.push(`${count(pages, "page")} of ${formatSize(bytes)} in ${formatDuration(seconds * 1000)} (${rates})`);
    parts.push(count(mismatched, "mismatch", "mismatches"));
  }
  return parts.map((part) => `, ${part}`).join("");
}
