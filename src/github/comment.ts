/** One comment on the pull request, updated in place. */
import { messageOf } from "../errors.ts";
import type { Log } from "../util/log.ts";
import type { ActionInputs } from "./inputs.ts";

/** Invisible in the rendered comment; how the next run finds it. */
const MARKER = "<!-- unikernel-deploy -->";
/** GitHub takes 65,536 characters. */
const MAX_BODY = 60_000;

/** Writes the comment, or says why not: a report that cannot be shown does not make the release worse. */
export async function upsertComment(
  inputs: Pick<ActionInputs, "pullRequest" | "repository" | "token">,
  text: string,
  { log, env }: { log: Log; env: NodeJS.ProcessEnv },
): Promise<void> {
  const { pullRequest, token } = inputs;
  const [owner, repo] = inputs.repository.split("/");
  if (pullRequest === undefined || !owner || !repo) return log.info("comment: this is not a pull request");
  if (!token) return log.warning("comment: there is no token to write it with");
  const { getOctokit } = await import("./octokit.ts");
  const octokit = getOctokit(token, env.GITHUB_API_URL ? { baseUrl: env.GITHUB_API_URL } : {});
  const body = `${MARKER}\n${text.slice(0, MAX_BODY)}`;
  try {
    const where = { owner, repo };
    const pages = octokit.paginate.iterator(octokit.rest.issues.listComments, {
      ...where,
      issue_number: pullRequest,
      per_page: 100,
    });
    for await (const { data } of pages) {
      const mine = data.find((item) => item.body?.startsWith(MARKER));
      if (!mine) continue;
      await octokit.rest.issues.updateComment({ ...where, comment_id: mine.id, body });
      return;
    }
    await octokit.rest.issues.createComment({ ...where, issue_number: pullRequest, body });
  } catch (error) {
    log.warning(`the comment could not be written: ${messageOf(error)} (does the job have "pull-requests: write"?)`);
  }
}
