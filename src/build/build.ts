/** Runs the user's own build. */
import { spawn } from "node:child_process";
import { DeployError } from "../errors.ts";
import { endWithUs, OWN_GROUP } from "../util/exec.ts";
import type { Log } from "../util/log.ts";

/**
 * Runs `command` with bash (sh where there is none), as the user wrote it: the one shell string in this program. Output
 * is passed on as it comes. Throws BUILD_FAILED with the exit code.
 */
export async function runBuild(
  command: string,
  options: { cwd: string; env: NodeJS.ProcessEnv; log: Log },
): Promise<void> {
  const { log, cwd, env } = options;
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  log.info(`build: ${command.trim().split("\n").length > 1 ? `\n${command.trim()}` : command}`);
  const ended = await spawnShell("bash", command, cwd, env, log).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return spawnShell("sh", command, cwd, env, log);
    }
    throw error;
  });
  if (ended !== 0) {
    const how = typeof ended === "number" ? `ended with exit code ${ended}` : `was killed by ${ended}`;
    const memory = ended === "SIGKILL" ? "too little memory is what mostly kills a build; " : "";
    throw new DeployError("BUILD_FAILED", `the build ${how} after ${seconds()}`, {
      hint: `${memory}its output is above; the command was: ${command}`,
    });
  }
  log.info(`build: done in ${seconds()}`);
}

/** The exit code, or the signal that ended it. */
function spawnShell(
  shell: string,
  command: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<number | NodeJS.Signals> {
  const options = shell === "bash" ? ["--noprofile", "--norc", "-e", "-o", "pipefail"] : ["-e"];
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];
    const child = spawn(shell, [...options, "-c", command], { cwd, env, stdio, detached: OWN_GROUP });
    endWithUs(child);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => log.raw(chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => log.raw(chunk));
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal ?? 1));
  });
}
