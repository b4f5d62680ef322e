/** The one thing we take from `@actions/github`, in a module of its own so that it is loaded only when used. */
import { getOctokit } from "@actions/github";

export { getOctokit };
export type Octokit = ReturnType<typeof getOctokit>;
