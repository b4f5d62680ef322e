/** Which pull request a run is about. */
import type { Octokit } from "./octokit.ts";

/** A run that another run's end started, as its payload says. */
export interface FinishedRun {
  /** The commit that the other run was of. */
  readonly headSha: string;
  /** owner:branch */
  readonly head: string;
}

/**
 * The open pull request whose newest commit a finished run was of. GitHub does not name it in the payload where it comes from
 * a fork; what the run itself says of it cannot be believed, so GitHub is asked.
 */
export async function pullRequestOf(
  octokit: Octokit,
  where: { readonly owner: string; readonly repo: string },
  { head, headSha }: FinishedRun,
): Promise<number | undefined> {
  const { data } = await octokit.rest.pulls.list({ ...where, head, state: "open", per_page: 100 });
  return data.find((pull) => pull.head.sha === headSha)?.number;
}
