/**
 * The tags of runnable images. `runnable` is all images of the newest release, `runnable-<target>` those of one target;
 * with a commit behind it a tag is that of one release and never moves, with `.<branch>` it is that of another branch than
 * main. Pure.
 */
import { URUNC_TARGETS } from "../../manifest/urunc.ts";

/** A tag that moves with that of the newest release, and the one of a commit that it moves to. */
export interface MovingTag {
  readonly newest: string;
  source(commit: string): string;
}

/** The tags of one target's images, or of all where none is named. */
export function runnableTag(branch: string, target?: string): MovingTag {
  const stem = target === undefined ? "runnable" : `runnable-${target}`;
  const suffix = branch === "main" ? "" : `.${branch}`;
  return { newest: stem + suffix, source: (commit) => `${stem}-${commit}${suffix}` };
}

/** Every tag that a release may have, the one of all images last. */
export const runnableTags = (branch: string): readonly MovingTag[] => [
  ...URUNC_TARGETS.map((target) => runnableTag(branch, target)),
  runnableTag(branch),
];
