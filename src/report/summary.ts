/** The job summary and the comment on a pull request, in Markdown. Pure. */
import { isDataVolume } from "../manifest/schema.ts";
import { count, formatDuration, formatSize, thousands } from "../util/size.ts";
import { renderBootTable } from "./boot.ts";
import { renderChart } from "./chart.ts";
import { type Comparison, kernelKey, totals } from "./comparison.ts";
import { code, fit, plain, table } from "./markdown.ts";
import type { RunResult } from "./result.ts";
import { groups, renderVerdict } from "./text.ts";

/** This many findings of one check are listed; report.json has all. */
const SHOWN = 20;
/** GitHub takes 1 MiB; other steps of the job want to say something too. */
const SUMMARY_LIMIT = 256 * 1024;
/** GitHub takes 65,536 characters. */
const COMMENT_LIMIT = 60_000;
const REST = "… there is more than fits here; `report.json` in the release has all of it.";

/** Well below GitHub's limit whatever the site. */
export function renderSummary(result: RunResult): string {
  const times = Object.entries(result.times).map(([stage, time]) => `${stage} ${formatDuration(time)}`);
  return fit([`## ${verdict(result)}${whyNot(result)}`, ...body(result), times.join(" · ")], SUMMARY_LIMIT, REST);
}

/** The same for a pull request: what a merge would do matters there, and not why this run did not. */
export function renderComment(result: RunResult): string {
  return fit([`## ${verdict(result)}`, ...body(result)], COMMENT_LIMIT, REST);
}

function body(result: RunResult): string[] {
  const { comparison, findings, boot = [] } = result;
  return [
    pushLine(result),
    sizes(result),
    fileChanges(comparison),
    renderBootTable(boot, plain),
    ...groups(findings).map(([check, members]) => {
      const lines = members
        .slice(0, SHOWN)
        .map(
          ({ severity, message, hint }) => `- **${severity}** ${plain(message)}${hint ? ` <br>→ ${plain(hint)}` : ""}`,
        );
      if (members.length > SHOWN) lines.push(`- … and ${members.length - SHOWN} more`);
      return `### ${check}\n\n${lines.join("\n")}`;
    }),
    chart(result),
  ];
}

function verdict({ manifest, findings, passed, published }: RunResult): string {
  const what = `${manifest.name} at ${manifest.source.commit.slice(0, 12)}`;
  const found = renderVerdict(findings);
  if (!passed) return `❌ ${what}: ${found}`;
  if (!published) return `✅ ${what}: ${found}`;
  const { outcome } = published;
  const { sequence } = published.manifest;
  if (outcome === "deployed") return `🚀 ${what}: deployed as release ${sequence}, ${found}`;
  if (outcome === "unchanged") return `✅ ${what}: was deployed before, as release ${sequence}`;
  if (outcome === "superseded") return `✅ ${what}: a newer release (${sequence}) is deployed already`;
  return `✅ ${what}: would be deployed as release ${sequence} (dry run), ${found}`;
}

function whyNot({ passed, published, reason }: RunResult): string {
  if (!passed) return ", not deployed";
  return published ? "" : ` (not deployed: ${plain(reason)})`;
}

/** What deploying would do; nothing of that where the findings keep it from happening. */
function pushLine({ comparison, passed }: RunResult): string {
  const push = comparison?.push;
  if (!push || !passed) return "";
  if ("problem" in push) return `⚠️ Deploying this would fail: ${plain(push.problem)}`;
  const { outcome, sequence, changed, removed, bytes } = push;
  if (outcome === "unchanged") return `Deploying this would push nothing: it is release ${sequence} already.`;
  if (outcome === "superseded") return `Deploying this would push nothing: release ${sequence} is of a later commit.`;
  const gone = removed === 0 ? "" : ` and ${count(removed, "removed file")}`;
  const what = `${count(changed, "new or changed file")}${gone}`;
  return `A merge would deploy this as release ${sequence}: ${what}, **${formatSize(bytes)}** before git finds what is the same.`;
}

function sizes({ manifest, comparison }: RunResult): string {
  const deployed = comparison?.deployed;
  const beside = (size: number, before: number | undefined) =>
    deployed
      ? [formatSize(size), before === undefined ? "–" : formatSize(before), change(size, before)]
      : [formatSize(size)];
  const rows = [
    ...manifest.kernels.map((kernel) => [
      code(kernel.path),
      `kernel for ${kernel.target ?? "an unknown target"}, ${kernel.arch}`,
      ...beside(kernel.size, deployed?.kernels[kernelKey(kernel)]),
    ]),
    ...manifest.volumes.map((volume) =>
      isDataVolume(volume)
        ? [
            `volume ${code(volume.name)}`,
            `${volume.format}, ${count(volume.files, "file")}, device ${code(volume.device)}`,
            ...beside(volume.size, deployed?.volumes[volume.name]),
          ]
        : [
            `volume ${code(volume.name)}`,
            `secret, device ${code(volume.device)}`,
            "on the host",
            ...(deployed ? ["", ""] : []),
          ],
    ),
  ];
  const { images } = totals(manifest);
  if (images > 0) {
    const before = deployed && Object.values(deployed.volumes).reduce((sum, size) => sum + size, 0);
    rows.push(["guest memory saved", "by data that is not in the kernel", ...beside(images, before)]);
  }
  const columns = deployed ? [`>release ${deployed.sequence ?? "now"}`, ">difference"] : [];
  return table(["what", "", deployed ? ">this" : ">size", ...columns], rows);
}

/** "+1.20 kB (+3.4 %)" */
function change(size: number, before: number | undefined): string {
  if (before === undefined) return "new";
  if (size === before) return "=";
  const sign = size > before ? "+" : "−";
  const share = before === 0 ? "" : ` (${sign}${((Math.abs(size - before) / before) * 100).toFixed(1)} %)`;
  return `${sign}${formatSize(Math.abs(size - before))}${share}`;
}

function fileChanges(comparison: Comparison | undefined): string {
  if (!comparison?.deployed) return "";
  return comparison.files
    .map(({ volume, added, changed, removed, examples }) => {
      const all = added + changed + removed;
      const title = `Files of <code>${plain(volume)}</code>`;
      if (all === 0) return `${title}: the same as deployed.`;
      const counts = [
        ...(added > 0 ? [`${thousands(added)} added`] : []),
        ...(changed > 0 ? [`${thousands(changed)} changed`] : []),
        ...(removed > 0 ? [`${thousands(removed)} removed`] : []),
      ].join(", ");
      const names = examples.map((path) => `${SIGNS[path.charAt(0)] ?? ""} ${code(path.slice(1))}`);
      if (all > examples.length) names.push(`… and ${thousands(all - examples.length)} more`);
      return `<details><summary>${title}: ${counts}</summary>\n\n${names.map((name) => `- ${name}`).join("\n")}\n\n</details>`;
    })
    .join("\n\n");
}

const SIGNS: Readonly<Record<string, string>> = { "+": "added", "~": "changed", "-": "removed" };

function chart({ manifest, comparison, published }: RunResult): string {
  const history = comparison?.history ?? [];
  const points = history.map(({ sequence, ...sizes }) => ({ label: String(sequence), ...sizes }));
  const label = published?.outcome === "deployed" ? String(published.manifest.sequence) : "this";
  return points.length === 0 ? "" : renderChart([...points, { label, ...totals(manifest) }]);
}
