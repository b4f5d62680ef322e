/** How two commits of a git repository relate, in the words of GitHub's REST API. */
import { output, run } from "./process.ts";

/** What GitHub says about a head with respect to a base. */
export interface Comparison {
  /** Ids of the commits that were asked for. */
  readonly base: string;
  readonly head: string;
  /** Undefined where the two have no common ancestor. */
  readonly mergeBase: string | undefined;
  readonly status: "identical" | "ahead" | "behind" | "diverged";
  /** The commits that only the head has, oldest first; and those that only the base has. */
  readonly ahead: readonly string[];
  readonly behind: readonly string[];
  /** What changed since the common ancestor. */
  readonly files: readonly { readonly filename: string; readonly status: string }[];
}

/** Compare two names of commits; undefined where the repository does not know one of them. */
export async function compare(git: string, from: string, to: string): Promise<Comparison | undefined> {
  const base = await commitId(git, from);
  const head = await commitId(git, to);
  if (base === undefined || head === undefined) return undefined;
  const common = await run("git", ["merge-base", base, head], { cwd: git });
  const mergeBase = common.code === 0 ? common.stdout.trim() : undefined;
  const ahead = await commitsBetween(git, base, head);
  const behind = await commitsBetween(git, head, base);
  const files = mergeBase === undefined ? [] : await changedFiles(git, mergeBase, head);
  return { base, head, mergeBase, status: relation(ahead.length, behind.length), ahead, behind, files };
}

function relation(ahead: number, behind: number): Comparison["status"] {
  if (ahead === 0) return behind === 0 ? "identical" : "behind";
  return behind === 0 ? "ahead" : "diverged";
}

async function commitId(git: string, name: string): Promise<string | undefined> {
  const { code, stdout } = await run("git", ["rev-parse", "--verify", "--quiet", `${name}^{commit}`], { cwd: git });
  return code === 0 ? stdout.trim() : undefined;
}

/** The commits of `to` that `from` lacks. */
async function commitsBetween(git: string, from: string, to: string): Promise<string[]> {
  const list = await output("git", ["rev-list", "--reverse", `${from}..${to}`], { cwd: git });
  return list.split("\n").filter((line) => line !== "");
}

const FILE_STATUS: Readonly<Record<string, string>> = { A: "added", M: "modified", D: "removed" };

async function changedFiles(git: string, from: string, to: string) {
  const list = await output("git", ["diff", "--name-status", "--no-renames", "-z", from, to], { cwd: git });
  const fields = list.split("\0");
  const files: { filename: string; status: string }[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    files.push({ filename: fields[at + 1] ?? "", status: FILE_STATUS[fields[at] ?? ""] ?? "changed" });
  }
  return files;
}
