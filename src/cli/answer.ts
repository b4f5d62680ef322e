/** What the verbs that run a plan answer with. */
import { renderBoot } from "../report/boot.ts";
import { reportDocument } from "../report/document.ts";
import type { RunResult } from "../report/result.ts";
import { renderFindings, renderVerdict } from "../report/text.ts";
import { count, formatDuration } from "../util/size.ts";
import type { Io } from "./command.ts";

/** Prints the result; the exit code is 0 or 1 by the findings alone. */
export function answerRun(result: RunResult, io: Io): number {
  const { manifest, directory, findings, passed, published } = result;
  const text = [
    renderFindings(findings),
    renderBoot(result.boot ?? []),
    `${passed ? "passed" : "failed"}: ${renderVerdict(findings)}`,
    publishedLine(result),
    `release: ${directory}`,
  ];
  const { manifest: deployed, ...outcome } = published ?? { manifest: undefined };
  io.answer(
    {
      release: directory,
      manifest,
      report: reportDocument(manifest, result),
      passed,
      ...(deployed ? { deployed: { ...outcome, sequence: deployed.sequence } } : {}),
      milliseconds: Object.fromEntries(Object.entries(result.times).map(([stage, time]) => [stage, Math.round(time)])),
    },
    text.filter((part) => part !== "").join("\n"),
  );
  return passed ? 0 : 1;
}

function publishedLine({ published, times }: RunResult): string {
  if (!published) return "";
  const { outcome, manifest, revision, changed, removed, sent } = published;
  const release = `release ${manifest.sequence}`;
  if (outcome === "unchanged") return `nothing to push: this source commit is ${release} already`;
  if (outcome === "superseded") return `superseded: ${release} of a later source commit is deployed`;
  const files = `${count(changed, "file")} changed, ${removed} removed`;
  if (outcome === "planned") return `dry run: would push ${release}, ${files}`;
  const took = times.deploy === undefined ? "" : ` in ${formatDuration(times.deploy)}`;
  return `deployed ${release} as ${revision?.slice(0, 12)}: ${files}${sent ? `, ${sent} sent` : ""}${took}`;
}
