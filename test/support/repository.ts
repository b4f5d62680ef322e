/** Bare git repositories as a forge keeps them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { git } from "./process.ts";

/** What a repository is made with. */
export interface RepositoryOptions {
  /** How objects are named; sha1 if absent. */
  readonly objectFormat?: "sha1" | "sha256";
}

/** What a forge allows a fetch to ask for (filters, and any object by its id), and nothing that runs by itself. */
const SETTINGS = [
  ["uploadpack.allowFilter", "true"],
  ["uploadpack.allowAnySHA1InWant", "true"],
  // Housekeeping in the background would race with the removal of the directory.
  ["receive.autogc", "false"],
  ["gc.auto", "0"],
] as const;

/** The directory of repository `name` ("www" or "owner/www") below `root`. */
export function repositoryPath(root: string, name: string): string {
  return join(root, `${name}.git`);
}

/** Make an empty bare repository with the default branch `main`, and return its path. */
export async function createBareRepository(
  root: string,
  name: string,
  options: RepositoryOptions = {},
): Promise<string> {
  const path = repositoryPath(root, name);
  await mkdir(path, { recursive: true });
  const format = options.objectFormat ?? "sha1";
  await git(path, "init", "--quiet", "--bare", "--initial-branch=main", `--object-format=${format}`);
  for (const [key, value] of SETTINGS) await git(path, "config", key, value);
  return path;
}
