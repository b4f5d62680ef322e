/** Which git is here, and whether it does what is asked of it. */
import { DeployError } from "../errors.ts";
import { exec } from "./exec.ts";

/**
 * The oldest git that works. Before it, git knew no GIT_CONFIG_GLOBAL, and what the machine is configured with (helpers,
 * headers, other addresses) would come between a repository and the credentials given for it.
 */
export const OLDEST_GIT = "2.32";

/** Throws PROGRAM_MISSING, with what was found, where git is missing or older than OLDEST_GIT. */
export async function requireGit(env: NodeJS.ProcessEnv): Promise<void> {
  const { code, stdout } = await exec(["git", "version"], { env });
  const said = stdout.toString("utf8").trim();
  const found = /^git version (\d+)\.(\d+)/.exec(said);
  const [major, minor] = OLDEST_GIT.split(".").map(Number) as [number, number];
  if (code === 0 && found && compare([Number(found[1]), Number(found[2])], [major, minor]) >= 0) return;
  const what = found ? `git ${said.slice("git version ".length).slice(0, 40)} is too old` : "git here is not git";
  throw new DeployError("PROGRAM_MISSING", `${what}: ${OLDEST_GIT} or newer is needed`, {
    hint: "install a newer one first in PATH (Debian: apt-get install git; Ubuntu: add-apt-repository ppa:git-core/ppa)",
  });
}

const compare = (a: readonly [number, number], b: readonly [number, number]) => a[0] - b[0] || a[1] - b[1];
