/** A run as text for a terminal or a log. Pure. */
import type { Finding, Severity } from "../checks/check.ts";
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import { count, formatSize } from "../util/size.ts";

/** This many findings of one check are shown one by one; the rest is counted. */
const SHOWN = 10;

/** Findings grouped by check, gravest first; hints once a group. */
export function renderFindings(findings: readonly Finding[]): string {
  return groups(findings)
    .map(([check, members]) => {
      const lines = members.slice(0, SHOWN).map(({ severity, message }) => `  ${severity}: ${message}`);
      if (members.length > SHOWN)
        lines.push(`  … and ${count(members.length - SHOWN, "more finding")} of this kind (report.json has all)`);
      const hints = new Set(members.slice(0, SHOWN).flatMap(({ hint }) => hint ?? []));
      return [`${check}:`, ...lines, ...[...hints].map((hint) => `    → ${hint}`)].join("\n");
    })
    .join("\n");
}

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, note: 2 };

/** Findings by check id, the check with the gravest finding first. */
export function groups(findings: readonly Finding[]): [string, Finding[]][] {
  const byCheck = new Map<string, Finding[]>();
  for (const finding of findings) {
    const members = byCheck.get(finding.check);
    if (members) members.push(finding);
    else byCheck.set(finding.check, [finding]);
  }
  const gravest = (members: readonly Finding[]) => Math.min(...members.map(({ severity }) => RANK[severity]));
  return [...byCheck].sort(([, a], [, b]) => gravest(a) - gravest(b));
}

/** "2 errors, 1 warning", or "no findings". */
export function renderVerdict(findings: readonly Finding[]): string {
  const parts = (["error", "warning", "note"] as const).flatMap((severity) => {
    const n = findings.filter((finding) => finding.severity === severity).length;
    return n === 0 ? [] : [count(n, severity)];
  });
  return parts.length === 0 ? "no findings" : parts.join(", ");
}

/** What the release holds, a line each. */
export function renderRelease(manifest: ReleaseManifest): string {
  const kernels = manifest.kernels.map(({ path, target, arch, size, devices }) => {
    const names = devices.map(({ type, name }) => `${type} ${name}`).join(", ");
    return `  kernel  ${path}  ${target ?? "unknown target"} ${arch}, ${formatSize(size)}${names && `, devices: ${names}`}`;
  });
  const volumes = manifest.volumes.map((volume) => {
    if (!isDataVolume(volume))
      return `  volume  ${volume.name}  secret, filled by the host, on device ${volume.device}`;
    const { name, format, files, bytes, size, device } = volume;
    return `  volume  ${name}  ${format}, ${count(files, "file")} of ${formatSize(bytes)} in ${formatSize(size)}, on device ${device}`;
  });
  return [...kernels, ...volumes].join("\n");
}
