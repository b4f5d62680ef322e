/** report.json: the findings and the figures of a run, for machines. schema/report.v1.json describes it. Pure. */
import type { BootReport } from "../checks/boot/report.ts";
import type { Finding } from "../checks/check.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Comparison } from "./comparison.ts";

export interface Report {
  readonly type: "unikernel-deploy.report";
  readonly version: 1;
  readonly name: string;
  readonly commit: string;
  readonly passed: boolean;
  readonly errors: number;
  readonly warnings: number;
  readonly notes: number;
  readonly findings: readonly Finding[];
  /** Findings that an ignore rule covers. */
  readonly ignored: readonly Finding[];
  /** One for each kernel, where they were to be booted. */
  readonly boot?: readonly BootReport[];
  /** The release beside what is deployed now, where that could be read. */
  readonly comparison?: Comparison;
}

export function reportDocument(
  manifest: ReleaseManifest,
  judged: {
    readonly findings: readonly Finding[];
    readonly ignored: readonly Finding[];
    readonly boot?: readonly BootReport[] | undefined;
    readonly comparison?: Comparison | undefined;
    readonly passed: boolean;
  },
): Report {
  const { findings, ignored, boot, comparison, passed } = judged;
  const countOf = (severity: Finding["severity"]) => findings.filter((finding) => finding.severity === severity).length;
  return {
    type: "unikernel-deploy.report",
    version: 1,
    name: manifest.name,
    commit: manifest.source.commit,
    passed,
    errors: countOf("error"),
    warnings: countOf("warning"),
    notes: countOf("note"),
    findings,
    ignored,
    ...(boot ? { boot } : {}),
    ...(comparison ? { comparison } : {}),
  };
}
