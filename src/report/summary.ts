/** The job summary, in Markdown. Pure. */
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import { count, formatDuration, formatSize } from "../util/size.ts";
import { renderBootTable } from "./boot.ts";
import type { RunResult } from "./result.ts";
import { groups, renderVerdict } from "./text.ts";

/** This many findings of one check are listed; report.json has all. */
const SHOWN = 20;

/** Markdown, well below GitHub's 1 MiB whatever the site. */
export function renderSummary(result: RunResult): string {
  const { manifest, findings, times } = result;
  const parts = [
    `## ${verdictLine(result)}`,
    sizeTable(manifest),
    renderBootTable(result.boot ?? [], escape),
    ...groups(findings).map(([check, members]) => {
      const lines = members
        .slice(0, SHOWN)
        .map(
          ({ severity, message, hint }) =>
            `- **${severity}** ${escape(message)}${hint ? ` <br>→ ${escape(hint)}` : ""}`,
        );
      if (members.length > SHOWN) lines.push(`- … and ${members.length - SHOWN} more`);
      return `### ${check}\n\n${lines.join("\n")}`;
    }),
    Object.entries(times)
      .map(([stage, time]) => `${stage} ${formatDuration(time)}`)
      .join(" · "),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function verdictLine({ manifest, findings, passed, published, reason }: RunResult): string {
  const what = `${manifest.name} at ${manifest.source.commit.slice(0, 12)}`;
  const verdict = renderVerdict(findings);
  if (!passed) return `❌ ${what}: ${verdict}, not deployed`;
  if (!published) return `✅ ${what}: ${verdict} (not deployed: ${reason})`;
  const { outcome, sequence } = { outcome: published.outcome, sequence: published.manifest.sequence };
  if (outcome === "deployed") return `🚀 ${what}: deployed as release ${sequence}, ${verdict}`;
  if (outcome === "unchanged") return `✅ ${what}: was deployed before, as release ${sequence}`;
  if (outcome === "superseded") return `✅ ${what}: a newer release (${sequence}) is deployed already`;
  return `✅ ${what}: would be deployed as release ${sequence} (dry run), ${verdict}`;
}

function sizeTable(manifest: ReleaseManifest): string {
  const rows = [
    ...manifest.kernels.map(({ path, target, arch, size }) => [
      `\`${path}\``,
      `kernel for ${target ?? "an unknown target"}, ${arch}`,
      formatSize(size),
    ]),
    ...manifest.volumes.map((volume) =>
      isDataVolume(volume)
        ? [
            `volume \`${volume.name}\``,
            `${volume.format}, ${count(volume.files, "file")}, device \`${volume.device}\``,
            formatSize(volume.size),
          ]
        : [`volume \`${volume.name}\``, `secret, device \`${volume.device}\``, "on the host"],
    ),
  ];
  return ["| what | | size |", "| --- | --- | ---: |", ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n");
}

/** Names of files come from a site: they must not become markup. */
function escape(text: string): string {
  const short = text.length > 500 ? `${text.slice(0, 500)}…` : text;
  return short.replace(/[\\`*_{}[\]<>#|!&@]/g, (char) => `&#${char.charCodeAt(0)};`).replace(/\s+/g, " ");
}
