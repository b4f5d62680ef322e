/** Where releases live. Children first, name last: what a reader can see is always complete. */
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";

export type Layout = "image" | "files";

type SourceCommit = Pick<ReleaseManifest["source"], "commit" | "committedAt" | "repository">;

export interface PublishOptions {
  readonly layout: Layout;
  /** Deploy even what looks like an older or a different build of a source commit; moves its tag. */
  readonly force: boolean;
  /** Do everything but the push. */
  readonly dryRun: boolean;
  /** Seconds since the epoch; the destination's dates never go backwards from what is there. */
  readonly now: number;
  /** Signs the manifest's exact bytes; no signature where absent. */
  readonly sign: ((manifest: string) => Promise<string>) | undefined;
  /** Whether the key of `sign` made a signature of exactly this text. */
  readonly isOwnSignature?: ((text: string, signature: string) => Promise<boolean>) | undefined;
  /** Whether source commit `a` comes before `b`; undefined where nobody here knows. */
  readonly isAncestor: (a: string, b: string) => Promise<boolean | undefined>;
  /** Source commits after `a` and before `b`, newest first, without those that were merged; undefined where nobody here knows. */
  readonly commitsBetween: (a: string, b: string) => Promise<readonly string[] | undefined>;
  /** Whether a release of source `ours` comes too late after one of `deployed`. Decides, and says what it goes by. */
  readonly isOlder: (ours: SourceCommit, deployed: SourceCommit) => Promise<boolean>;
}

export interface Published {
  /**
   * `deployed`: the tip is this release. `unchanged`: it was deployed before. `superseded`: a newer one is there.
   * `planned`: a dry run stopped before the push.
   */
  readonly outcome: "deployed" | "unchanged" | "superseded" | "planned";
  /** The manifest as deployed, with its sequence. */
  readonly manifest: ReleaseManifest;
  /** Commit in the deployment repository (git), or digest (oci); absent for a plan. */
  readonly revision: string | undefined;
  readonly tag: string;
  /** Files added or changed, and removed, in the destination. */
  readonly changed: number;
  readonly removed: number;
  /** Bytes of what is new, before compression. */
  readonly bytes: number;
  /** What the transport said it sent, where it says so. */
  readonly sent: string | undefined;
  /** Registries: what urunc runs of the release, by target, as `HOST/NAME@sha256:…`; absent where nothing is made for it. */
  readonly images?: Readonly<Record<string, string>>;
}

export interface Destination {
  /** The release that a host would get now; undefined when there is none yet. */
  deployed(): Promise<ReleaseManifest | undefined>;
  /** Makes a release the newest. Safe to repeat. */
  publish(release: Release, options: PublishOptions): Promise<Published>;
}
