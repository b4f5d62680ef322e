/** The steps of one job of a workflow, run one after the other on one machine. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { runAction } from "./action-runner.ts";
import type { ArtifactStore } from "./artifact-store.ts";
import { asText, type Contexts, fillIn, holds, type Json, type Status } from "./expressions.ts";
import { type Attestation, fakePrograms, type Permissions, runKnownAction } from "./known-actions.ts";
import { gitEnvironment, run } from "./process.ts";
import type { WorkflowRunOptions } from "./workflow-runner.ts";
import { parseFileCommands } from "./workflow-commands.ts";

/** A step as the workflow has it. */
export interface Step {
  readonly id?: string;
  readonly name?: string;
  readonly if?: Json;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, Json>>;
  readonly env?: Readonly<Record<string, Json>>;
  readonly "continue-on-error"?: boolean;
}

export interface StepResult {
  readonly name: string;
  readonly outcome: Status;
  readonly outputs: Readonly<Record<string, string>>;
  readonly log: string;
}

export interface JobWork {
  readonly id: string;
  readonly steps: readonly Step[];
  readonly env: Readonly<Record<string, Json>>;
  readonly contexts: Contexts;
  readonly secrets: Readonly<Record<string, string>>;
  /** What `job.*` says beside the status. */
  readonly job: Readonly<Record<string, string>>;
  readonly token: string;
  readonly permissions: Permissions;
  readonly options: WorkflowRunOptions;
  readonly artifacts: ArtifactStore;
  readonly attestations: Attestation[];
}

export interface JobRan {
  readonly result: Status;
  readonly steps: readonly StepResult[];
  /** As expressions see it. */
  readonly stepsContext: Json;
  readonly seen: readonly string[];
  readonly log: string;
  readonly summary: string;
}

let machines = 0;

export async function runSteps(work: JobWork): Promise<JobRan> {
  const machine = new Machine(work);
  await machine.boot();
  for (const [at, step] of work.steps.entries()) await machine.step(step, at);
  return machine.result();
}

/** The machine of one job: its directories, and what its steps leave for those after them. */
class Machine {
  readonly #work: JobWork;
  readonly #root: string;
  readonly #steps: StepResult[] = [];
  readonly #context: Record<string, Json> = {};
  readonly #seen: string[] = [];
  #summary = "";
  #status: Status = "success";

  constructor(work: JobWork) {
    this.#work = work;
    this.#root = path.join(work.options.scratch, `machine-${machines++}`);
  }

  get #workspace(): string {
    return path.join(this.#root, "site");
  }

  get #temp(): string {
    return path.join(this.#root, "_temp");
  }

  async boot(): Promise<void> {
    for (const directory of [this.#workspace, this.#temp]) await mkdir(directory, { recursive: true });
    // The test's machine is not the job's to change.
    await fakePrograms(path.join(this.#root, "bin"), {
      sudo: 'echo "sudo $*"',
      ...this.#work.options.forge.programs,
    });
  }

  async step(step: Step, at: number): Promise<void> {
    const name = step.name ?? step.id ?? step.uses ?? `step ${at}`;
    const contexts = this.#contexts(step);
    if (!holds(step.if, contexts, this.#status))
      return this.#record(step, { name, outcome: "skipped", outputs: {}, log: "" });
    const result = await this.#run(step, contexts);
    if (result.outcome !== "success" && !step["continue-on-error"]) this.#status = "failure";
    this.#record(step, { name, ...result });
  }

  result(): JobRan {
    const log = this.#steps.map((step) => `== ${step.name}: ${step.outcome}\n${step.log}`).join("");
    return {
      result: this.#status,
      steps: this.#steps,
      stepsContext: this.#context,
      seen: this.#seen,
      log,
      summary: this.#summary,
    };
  }

  #record(step: Step, result: StepResult): void {
    this.#steps.push(result);
    const conclusion = step["continue-on-error"] && result.outcome === "failure" ? "success" : result.outcome;
    if (step.id) this.#context[step.id] = { outputs: result.outputs, outcome: result.outcome, conclusion };
  }

  #contexts(step: Step): Contexts {
    const { contexts, secrets, job, env } = this.#work;
    const known: Contexts = {
      ...contexts,
      secrets: { ...secrets },
      steps: { ...this.#context },
      job: { status: this.#status, ...job },
      runner: { temp: this.#temp, os: "Linux", arch: "X64" },
    };
    const ours = fillIn({ ...env, ...step.env }, { ...known, env: {} }) as Record<string, Json>;
    return { ...known, env: ours };
  }

  async #run(step: Step, contexts: Contexts): Promise<Omit<StepResult, "name">> {
    const env = textValues(contexts["env"] as Record<string, Json>);
    try {
      if (step.run !== undefined) return await this.#script(asText(fillIn(step.run, contexts, this.#status)), env);
      const inputs = textValues(fillIn(step.with ?? {}, contexts, this.#status) as Record<string, Json>);
      const uses = step.uses ?? "";
      if (uses.startsWith("./")) return await this.#ours(path.join(this.#workspace, uses), inputs, env);
      this.#see({ ...env, ...prefixed(inputs) });
      const outputs = await runKnownAction(uses.split("@")[0] ?? "", inputs, this.#world());
      return { outcome: "success", outputs, log: "" };
    } catch (error) {
      return { outcome: "failure", outputs: {}, log: `${error instanceof Error ? error.message : String(error)}\n` };
    }
  }

  #world() {
    const { id, token, permissions, options, artifacts, attestations } = this.#work;
    const { repository, serverUrl, repositories } = options.forge;
    const { sha } = options.event;
    const place = { job: id, workspace: this.#workspace, token, permissions };
    return { ...place, repository, sha, serverUrl, repositories, artifacts, attestations };
  }

  async #script(script: string, env: Record<string, string>): Promise<Omit<StepResult, "name">> {
    const { event, forge } = this.#work.options;
    const output = path.join(this.#root, `output-${this.#steps.length}`);
    await writeFile(output, "");
    const environment = gitEnvironment({
      PATH: this.#path(),
      HOME: this.#root,
      RUNNER_TEMP: this.#temp,
      GITHUB_WORKSPACE: this.#workspace,
      GITHUB_REPOSITORY: forge.repository,
      GITHUB_SHA: event.sha,
      GITHUB_REF: event.ref,
      GITHUB_EVENT_NAME: event.name,
      GITHUB_OUTPUT: output,
      ...forge.runnerEnv,
      ...env,
    });
    this.#see(environment);
    const argv = ["--noprofile", "--norc", "-eo", "pipefail", "-c", script];
    const ran = await run("bash", argv, { cwd: this.#workspace, env: environment });
    const outputs = Object.fromEntries(parseFileCommands(await readFile(output, "utf8")));
    return { outcome: ran.code === 0 ? "success" : "failure", outputs, log: ran.stdout + ran.stderr };
  }

  #path(): string {
    return `${path.join(this.#root, "bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`;
  }

  /** An action of ours, in the process and with the environment that the runner gives it. */
  async #ours(
    directory: string,
    inputs: Record<string, string>,
    env: Record<string, string>,
  ): Promise<Omit<StepResult, "name">> {
    const { token, options, secrets } = this.#work;
    const { event, forge } = options;
    const idToken: Record<string, string> =
      this.#work.permissions["id-token"] === "write" ? { ACTIONS_ID_TOKEN_REQUEST_TOKEN: `id-${token}` } : {};
    this.#see({ ...env, ...forge.runnerEnv, ...prefixed(inputs) });
    const result = await runAction({
      directory,
      inputs,
      env: { PATH: this.#path(), ...forge.runnerEnv, ...idToken, ...env },
      event: event.payload ?? {},
      workspace: this.#workspace,
      runnerTemp: this.#temp,
      secrets: Object.values(secrets).filter((value) => value !== ""),
      context: {
        eventName: event.name,
        ref: event.ref,
        sha: event.sha,
        repository: forge.repository,
        token,
        serverUrl: forge.serverUrl,
        ...(forge.apiUrl ? { apiUrl: forge.apiUrl } : {}),
      },
      timeoutMs: 120_000,
    });
    this.#summary += result.summary;
    if (result.unexpectedInputs.length > 0) throw new Error(`unexpected inputs: ${result.unexpectedInputs.join(", ")}`);
    return { outcome: result.conclusion, outputs: result.outputs, log: result.log };
  }

  #see(env: Readonly<Record<string, string | undefined>>): void {
    for (const [name, value] of Object.entries(env)) this.#seen.push(`${name}=${value ?? ""}`);
  }
}

const textValues = (values: Readonly<Record<string, Json>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asText(value)]));

const prefixed = (inputs: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]));
