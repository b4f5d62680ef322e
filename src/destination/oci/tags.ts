/**
 * The tags of a repository of releases. `latest` is the newest release, `source-<commit>` the release of a commit, and
 * `sequence-<number>-<commit>` announces one: who lists the tags knows every number that was ever taken, and by whom,
 * without reading any. Other branches have tags of their own: `staging`, `source-staging-…`, `sequence-staging-…`. Pure.
 */
import { DeployError } from "../../errors.ts";

export interface Announcement {
  readonly tag: string;
  readonly sequence: number;
  readonly commit: string;
}

export interface TagNames {
  /** The tag that hosts follow. */
  readonly newest: string;
  source(commit: string): string;
  announcement(sequence: number, commit: string): string;
  /** The announcements among a repository's tags, the lowest number first. */
  announcements(tags: readonly string[]): readonly Announcement[];
  /** The commits that have a source tag. */
  sources(tags: readonly string[]): ReadonlySet<string>;
}

const BRANCH = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$/;
const RESERVED = /^(?:latest$|source-|sequence-|runnable|sha256-)/;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const NUMBERED = /^([1-9]\d{0,11})-([0-9a-f]{40}|[0-9a-f]{64})$/;

/** Throws CONFIG_INVALID for a branch that no tag can stand for. */
export function tagNames(branch: string): TagNames {
  const isMain = branch === "main";
  if (!isMain && (!BRANCH.test(branch) || RESERVED.test(branch))) {
    throw new DeployError("CONFIG_INVALID", `branch ${JSON.stringify(branch)}: in a registry a branch is a tag`, {
      hint: "take up to 32 letters, digits, '.', '_' or '-', and none of latest, source-, sequence-, runnable and sha256-; main's tag is latest",
    });
  }
  const infix = isMain ? "" : `${branch}-`;
  const [sourcePrefix, sequencePrefix] = [`source-${infix}`, `sequence-${infix}`];
  return {
    newest: isMain ? "latest" : branch,
    source: (commit) => sourcePrefix + commit,
    announcement: (sequence, commit) => `${sequencePrefix}${sequence}-${commit}`,
    announcements: (tags) =>
      tags
        .flatMap((tag): Announcement[] => {
          const [, sequence, commit] = NUMBERED.exec(after(sequencePrefix, tag)) ?? [];
          return sequence === undefined || commit === undefined ? [] : [{ tag, sequence: Number(sequence), commit }];
        })
        .sort((a, b) => a.sequence - b.sequence),
    sources: (tags) => new Set(tags.map((tag) => after(sourcePrefix, tag)).filter((rest) => COMMIT.test(rest))),
  };
}

const after = (prefix: string, tag: string) => (tag.startsWith(prefix) ? tag.slice(prefix.length) : "");
