/** What a run came to: the one thing all reports are rendered from. Pure. */
import type { BootReport } from "../checks/boot/report.ts";
import type { Finding } from "../checks/check.ts";
import type { Published } from "../destination/destination.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Comparison } from "./comparison.ts";

export interface RunResult {
  readonly manifest: ReleaseManifest;
  /** The release directory. */
  readonly directory: string;
  readonly findings: readonly Finding[];
  readonly ignored: readonly Finding[];
  /** One for each kernel, where the plan was to boot them. */
  readonly boot?: readonly BootReport[] | undefined;
  /** Whether the findings let the release be deployed. */
  readonly passed: boolean;
  readonly published: Published | undefined;
  /** The release beside what was deployed before it, where that could be read. */
  readonly comparison?: Comparison | undefined;
  /** Why it was or was not deployed. */
  readonly reason: string;
  /** Milliseconds by stage. */
  readonly times: Readonly<Record<string, number>>;
}
