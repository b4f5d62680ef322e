/**
 * Names that git refuses in a tree, or that a forge's fsck refuses, because some file system takes them for ".git": NTFS
 * drops trailing dots and spaces and knows "git~1", HFS+ ignores some code points (git's path protections). Pure.
 */

/** Code points that HFS+ ignores when it compares names. */
const IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;
const DOT_GIT = /^(?:\.git|git~1)[ .]*(?:[:\\].*)?$/i;

/** Whether git would pass over a file at this path. */
export function isRefusedByGit(path: string): boolean {
  return path.split("/").some((segment) => DOT_GIT.test(segment.replaceAll(IGNORED, "")));
}
