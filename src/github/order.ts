/** The order of two source commits as GitHub knows it, for jobs that have no history of the source. */
import type { Forge } from "../ports.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../util/log.ts";
import type { ActionInputs } from "./inputs.ts";

/** Asks the API of the server that the job runs on, with a token for it, about the job's own repository. */
export function forgeOf(
  inputs: Pick<ActionInputs, "token" | "repository" | "server">,
  env: NodeJS.ProcessEnv,
  log: Log,
): Forge | undefined {
  const { token, repository, server } = inputs;
  const [owner, repo] = repository.split("/");
  const baseUrl = env.GITHUB_API_URL;
  if (!token || !owner || !repo || !baseUrl) return undefined;
  return {
    repository: `${server}/${repository}`,
    async isAncestor(a, b) {
      const { getOctokit } = await import("./octokit.ts");
      const octokit = getOctokit(token, { baseUrl });
      try {
        const compared = await octokit.rest.repos.compareCommitsWithBasehead({
          owner,
          repo,
          basehead: `${a}...${b}`,
          per_page: 1,
        });
        return ORDER[compared.data.status];
      } catch (error) {
        log.info(`${server} does not tell the order of source commits: ${messageOf(error)}`);
        return undefined;
      }
    },
  };
}

/** What b is to a; other forges with an API of this name leave the status out. */
const ORDER: Readonly<Record<string, boolean | undefined>> = {
  ahead: true,
  behind: false,
  diverged: false,
  identical: false,
};
