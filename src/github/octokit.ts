/** The one thing we take from `@actions/github`, in a module of its own so that it is loaded only when used. */
export { getOctokit } from "@actions/github";
