/** One comment a site on the pull request, updated in place. */
import { messageOf } from "../errors.ts";
import type { Log } from "../util/log.ts";
import type { ActionInputs } from "./inputs.ts";
import type { Octokit } from "./octokit.ts";
import { pullRequestOf } from "./pull-request.ts";

/** Invisible in the rendered comment; how the next run finds it. A repository may hold several sites. */
const marker = (site: string) => `<!-- unikernel-deploy: ${site} -->`;

export interface Comment {
  /** Name of the release. */
  readonly site: string;
  /** Below GitHub's limit of 65,536 characters, less the marker. */
  readonly text: string;
}

type Inputs = Pick<ActionInputs, "pullRequest" | "finishedRun" | "repository" | "token">;

/** Writes the comment, or says why not: a report that cannot be shown does not make the release worse. */
export async function upsertComment(
  inputs: Inputs,
  comment: Comment,
  { log, env }: { log: Log; env: NodeJS.ProcessEnv },
): Promise<void> {
  const { token, finishedRun } = inputs;
  const [owner, repo] = inputs.repository.split("/");
  if ((inputs.pullRequest === undefined && !finishedRun) || !owner || !repo)
    return log.info("comment: this is not a pull request");
  if (!token) return log.warning("comment: there is no token to write it with");
  const { getOctokit } = await import("./octokit.ts");
  const octokit = getOctokit(token, env.GITHUB_API_URL ? { baseUrl: env.GITHUB_API_URL } : {});
  try {
    const where = { owner, repo };
    const number = inputs.pullRequest ?? (finishedRun && (await pullRequestOf(octokit, where, finishedRun)));
    if (number === undefined) return log.info("comment: no open pull request ends with the commit of that run");
    const body = `${marker(comment.site)}\n${comment.text}`;
    const mine = await findMine(octokit, { ...where, issue_number: number }, marker(comment.site), token);
    if (mine === undefined) await octokit.rest.issues.createComment({ ...where, issue_number: number, body });
    else await octokit.rest.issues.updateComment({ ...where, comment_id: mine, body });
  } catch (error) {
    log.warning(`the comment could not be written: ${messageOf(error)} (does the job have "pull-requests: write"?)`);
  }
}

/** Id of the comment of an earlier run, on whatever page it is. */
async function findMine(
  octokit: Octokit,
  where: { readonly owner: string; readonly repo: string; readonly issue_number: number },
  begins: string,
  token: string,
): Promise<number | undefined> {
  const pages = octokit.paginate.iterator(octokit.rest.issues.listComments, { ...where, per_page: 100 });
  // The token of a job writes as a bot: a person's comment that begins like ours is not ours to write into.
  const asBot = token.startsWith("ghs_");
  for await (const { data } of pages) {
    const mine = data.find(({ body, user }) => body?.startsWith(begins) && (!asBot || user?.type === "Bot"));
    if (mine) return mine.id;
  }
  return undefined;
}
