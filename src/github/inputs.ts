/** The Action's inputs and event, as the runner gives them. Pure but for the event file. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { withoutCredentials } from "../destination/address.ts";
import { DeployError } from "../errors.ts";
import { configError } from "../inputs/config-error.ts";
import type { RawInputs } from "../inputs/raw.ts";
import { type Event, type Mode, MODES } from "../plan.ts";
import type { FinishedRun } from "./pull-request.ts";

export interface ActionInputs {
  readonly mode: Mode;
  readonly config: string | undefined;
  readonly raw: RawInputs;
  readonly release: string | undefined;
  readonly out: string;
  readonly token: string | undefined;
  readonly sshKey: string | undefined;
  readonly signingKey: string | undefined;
  /** Path of a file with Sigstore bundles about the release. */
  readonly attestationFile: string | undefined;
  readonly knownHosts: string | undefined;
  readonly cache: readonly string[];
  readonly cacheOnFailure: boolean;
  readonly comment: boolean;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly waitFor: string | undefined;
  readonly event: Event;
  readonly pullRequest: number | undefined;
  /** The run whose end started this one. */
  readonly finishedRun: FinishedRun | undefined;
  /** owner/name of the repository the workflow runs in. */
  readonly repository: string;
  readonly server: string;
  readonly directory: string;
  /** Texts that must not appear in the log. */
  readonly secrets: readonly string[];
}

/** Throws CONFIG_INVALID with every input that cannot be read. */
export function readActionInputs(input: (name: string) => string, env: NodeJS.ProcessEnv): ActionInputs {
  const problems: string[] = [];
  const text = (name: string) => input(name) || undefined;
  const list = (name: string) => {
    const lines = input(name)
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    return lines.length === 0 ? undefined : lines;
  };
  const flag = (name: string) => {
    const value = input(name) || "false";
    if (value !== "true" && value !== "false")
      problems.push(`input "${name}": expected true or false, found ${JSON.stringify(value)}`);
    return value === "true";
  };
  const mode = input("mode") || "auto";
  if (!MODES.includes(mode as Mode))
    problems.push(`input "mode": expected one of ${MODES.join(", ")}, found ${JSON.stringify(mode)}`);
  const keys = ["token", "ssh-key", "signing-key"].map(text);
  const [token, sshKey, signingKey] = keys;
  keys.push(...tokensIn(input("deployment-repository")));
  const payload = readEvent(env.GITHUB_EVENT_PATH);
  const waitFor = text("wait-for");
  if (waitFor !== undefined && !isPage(waitFor))
    problems.push('input "wait-for": expected an http or https URL without a user, such as https://mirage.io');
  const server = env.GITHUB_SERVER_URL || "https://github.com";
  if (!isPage(server))
    problems.push(`GITHUB_SERVER_URL: expected an address such as https://github.com, found ${JSON.stringify(server)}`);
  const inputs: ActionInputs = {
    mode: mode as Mode,
    config: text("config"),
    raw: {
      name: text("name"),
      build: text("build"),
      kernel: list("kernel"),
      data: list("data"),
      format: text("format"),
      device: text("device"),
      memory: text("memory"),
      args: list("args"),
      ignore: list("ignore"),
      boot: text("boot"),
      maxKernelSize: text("max-kernel-size"),
      maxImageSize: text("max-image-size"),
      repository: text("deployment-repository"),
      branch: text("deployment-branch"),
      path: text("deployment-path"),
      layout: text("layout"),
      runnable: text("runnable") === undefined ? undefined : flag("runnable"),
      history: text("history"),
    },
    release: text("release"),
    out: path.join(env.RUNNER_TEMP || ".", "unikernel-release"),
    token,
    sshKey,
    signingKey,
    attestationFile: text("attestation"),
    knownHosts: text("known-hosts"),
    cache: list("cache") ?? [],
    cacheOnFailure: flag("cache-on-failure"),
    comment: flag("comment"),
    force: flag("force"),
    dryRun: flag("dry-run"),
    waitFor,
    event: { name: env.GITHUB_EVENT_NAME ?? "", ref: env.GITHUB_REF ?? "", defaultBranch: payload.defaultBranch },
    pullRequest: payload.pullRequest,
    finishedRun: payload.finishedRun,
    repository: env.GITHUB_REPOSITORY ?? "",
    server,
    directory: env.GITHUB_WORKSPACE || process.cwd(),
    // A key is masked line by line: the runner compares lines.
    secrets: keys
      .flatMap((key) => (key ? [key, ...key.split("\n")] : []))
      .filter((line) => line.trim().length > 3 && !line.startsWith("-----")),
  };
  if (problems.length > 0) throw configError(problems, "the README lists the inputs");
  return inputs;
}

/** Whether `fetch` would ask there; it refuses addresses with a user in them. */
function isPage(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, username, password } = new URL(address);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}

/** What stands before the @ of an address, however the rest of it is misspelt, whole and in its parts. */
function tokensIn(address: string): string[] {
  const shown = withoutCredentials(address);
  if (shown === address) return [];
  const [scheme = ""] = /^[a-z+]+:?\/+/i.exec(shown) ?? [];
  const userinfo = address.slice(scheme.length, address.lastIndexOf("@"));
  return [userinfo, ...userinfo.split(/[:/]/).filter((part) => part.length > 15)];
}

interface Payload {
  readonly defaultBranch: string | undefined;
  readonly pullRequest: number | undefined;
  readonly finishedRun: FinishedRun | undefined;
}

function readEvent(file: string | undefined): Payload {
  if (!file) return { defaultBranch: undefined, pullRequest: undefined, finishedRun: undefined };
  let payload: {
    repository?: { default_branch?: unknown };
    pull_request?: { number?: unknown };
    workflow_run?: RunPayload;
  };
  try {
    // Of a text or a number nothing would be found; of null not even that can be asked.
    payload = JSON.parse(readFileSync(file, "utf8")) ?? {};
  } catch (error) {
    throw new DeployError("IO_FAILED", `the event payload ${file} cannot be read`, { cause: error });
  }
  const branch = payload.repository?.default_branch;
  const number = payload.pull_request?.number;
  return {
    defaultBranch: typeof branch === "string" ? branch : undefined,
    pullRequest: typeof number === "number" ? number : undefined,
    finishedRun: finishedRunOf(payload.workflow_run),
  };
}

interface RunPayload {
  readonly event?: unknown;
  readonly head_sha?: unknown;
  readonly head_branch?: unknown;
  readonly head_repository?: { readonly owner?: { readonly login?: unknown } };
}

function finishedRunOf(run: RunPayload | undefined): FinishedRun | undefined {
  const owner = run?.head_repository?.owner?.login;
  const { event, head_sha: headSha, head_branch: branch } = run ?? {};
  if (event !== "pull_request" || typeof headSha !== "string" || typeof branch !== "string") return undefined;
  return typeof owner === "string" ? { headSha, head: `${owner}:${branch}` } : undefined;
}
