/**
 * A stand-in for the runner of GitHub Actions: runs a JavaScript action from its directory as the runner does, with the
 * same environment, files and commands, each phase in a process of its own.
 */
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { parse } from "yaml";
import {
  eventPayload,
  evaluate,
  type GithubContext,
  githubContext,
  githubEnvironment,
  type RunContext,
} from "./run-context.ts";
import { leftovers, makeLayout, type Layout } from "./runner-layout.ts";
import { endOf } from "./process.ts";
import { tempDir } from "./temp.ts";
import { type Annotation, parseFileCommands, WorkflowLog } from "./workflow-commands.ts";

/** What `runAction` is given. */
export interface RunActionOptions {
  /** The directory with `action.yml`. */
  readonly directory: string;
  /** What the workflow writes below `with:`. */
  readonly inputs?: Readonly<Record<string, string | number | boolean>>;
  /** What the workflow writes below `env:`; wins over everything that the runner sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** The event's payload; its top-level fields win over those made up from `context`. */
  readonly event?: Readonly<Record<string, unknown>>;
  /** The checkout; an empty directory if absent. */
  readonly workspace?: string;
  /** RUNNER_TEMP, for a test that looks into it afterwards; removed with the run if absent. */
  readonly runnerTemp?: string;
  readonly context?: RunContext;
  /** Values of `secrets.*`: masked from the start. */
  readonly secrets?: readonly string[];
  /** The step's `timeout-minutes`; 60 seconds if absent. */
  readonly timeoutMs?: number;
  /** Aborted when the user cancels the run. */
  readonly signal?: AbortSignal;
  /** How long a cancelled process has before stronger means are used; 7.5 seconds, the runner's own, if absent. */
  readonly graceMs?: number;
  /** The node that runs the action; the one that runs the tests if absent. */
  readonly node?: string;
}

/** The parts of an action's life. */
export type Phase = "pre" | "main" | "post";

/** A process that ran. */
export interface PhaseResult {
  readonly phase: Phase;
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly milliseconds: number;
}

/** What is left of a run. */
export interface RunResult {
  readonly conclusion: "success" | "failure" | "cancelled";
  /** The phases that ran, in order. */
  readonly steps: readonly PhaseResult[];
  readonly outputs: Readonly<Record<string, string>>;
  /** Variables and directories that the action set for the steps after it. */
  readonly exported: { readonly env: Readonly<Record<string, string>>; readonly path: readonly string[] };
  /** The job summary as shown; empty where a phase wrote more than 1 MiB. */
  readonly summary: string;
  readonly annotations: readonly Annotation[];
  /** What a reader of the log sees. */
  readonly log: string;
  /** What the action wrote, unmasked; so is `rawSummary`. */
  readonly raw: string;
  readonly rawSummary: string;
  readonly masks: ReadonlySet<string>;
  /** Outputs set without being declared in `action.yml`: a workflow cannot read them. */
  readonly undeclaredOutputs: readonly string[];
  /** Inputs given without being declared: the runner warns about them. */
  readonly unexpectedInputs: readonly string[];
  /** Files and empty directories that remain below HOME (`home/…`) and RUNNER_TEMP (`temp/…`). */
  readonly leftovers: readonly string[];
}

/** Run an action from its first to its last phase; a failing action is a result, a broken `action.yml` an exception. */
export async function runAction(options: RunActionOptions): Promise<RunResult> {
  await using scratch = await tempDir("runner");
  const action = await readAction(options.directory);
  const layout = await makeLayout(scratch.path, options);
  const github = githubContext(layout.workspace, options.context);
  await writeFile(layout.event, JSON.stringify(eventPayload(options.event, github)));
  const job = new Job(options, action, layout, github);
  await job.run();
  return { ...job.result(), leftovers: await leftovers(layout) };
}

interface Action {
  readonly inputs?: Readonly<Record<string, { readonly default?: string | number | boolean } | null>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly runs: Readonly<Record<string, string>>;
}

async function readAction(directory: string): Promise<Action> {
  const action = parse(await readFile(join(directory, "action.yml"), "utf8")) as Action;
  if (!/^node\d+$/.test(action.runs?.["using"] ?? "")) throw new Error(`${directory}: not a JavaScript action`);
  return action;
}

const FILE_COMMANDS = ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"] as const;
type CommandFiles = Record<(typeof FILE_COMMANDS)[number], string>;

const SUMMARY_LIMIT = 1024 * 1024;

/** One action in one job: what the phases leave for each other and for the end. */
class Job {
  readonly #options: RunActionOptions;
  readonly #action: Action;
  readonly #layout: Layout;
  readonly #github: GithubContext;
  readonly #inputs: Readonly<Record<string, string>>;
  readonly #unexpected: readonly string[];
  readonly #log = new WorkflowLog();
  readonly #steps: PhaseResult[] = [];
  readonly #outputs: Record<string, string> = {};
  readonly #env: Record<string, string> = {};
  readonly #path: string[] = [];
  #summary = "";
  #status: RunResult["conclusion"] = "success";

  constructor(options: RunActionOptions, action: Action, layout: Layout, github: GithubContext) {
    this.#options = options;
    this.#action = action;
    this.#layout = layout;
    this.#github = github;
    for (const secret of [github.token, ...(options.secrets ?? [])]) this.#log.mask(secret);
    const declared = Object.keys(action.inputs ?? {}).map(inputVariable);
    this.#unexpected = Object.keys(options.inputs ?? {}).filter((name) => !declared.includes(inputVariable(name)));
    this.#inputs = this.#inputVariables();
  }

  async run(): Promise<void> {
    if (this.#unexpected.length > 0) {
      const valid = Object.keys(this.#action.inputs ?? {}).join("', '");
      this.#log.annotate(
        "warning",
        `Unexpected input(s) '${this.#unexpected.join("', '")}', valid inputs are ['${valid}']`,
      );
    }
    for (const phase of ["pre", "main", "post"] as const) {
      const script = this.#action.runs[phase];
      if (this.#options.signal?.aborted) this.#status = "cancelled";
      if (script !== undefined && this.#wants(phase)) await this.#runPhase(phase, script);
    }
  }

  result(): Omit<RunResult, "leftovers"> {
    const { shown, raw } = this.#log.text();
    return {
      conclusion: this.#status,
      steps: this.#steps,
      outputs: this.#outputs,
      exported: { env: this.#env, path: this.#path },
      summary: this.#log.redact(this.#summary),
      annotations: this.#log.annotations,
      log: shown,
      raw,
      rawSummary: this.#summary,
      masks: this.#log.masks,
      undeclaredOutputs: Object.keys(this.#outputs).filter((name) => !(name in (this.#action.outputs ?? {}))),
      unexpectedInputs: this.#unexpected,
    };
  }

  /** Every declared input is there, empty if nothing else; so are those that nobody declared. */
  #inputVariables(): Record<string, string> {
    const variables: Record<string, string> = {};
    for (const [name, input] of Object.entries(this.#action.inputs ?? {})) {
      variables[inputVariable(name)] = evaluate(String(input?.default ?? ""), this.#github);
    }
    for (const [name, value] of Object.entries(this.#options.inputs ?? {}))
      variables[inputVariable(name)] = String(value);
    return variables;
  }

  /** The condition of a phase; the main phase has the step's default. */
  #wants(phase: Phase): boolean {
    const condition = phase === "main" ? "success()" : (this.#action.runs[`${phase}-if`] ?? "always()");
    if (condition === "always()") return true;
    const wanted = { "success()": "success", "failure()": "failure", "cancelled()": "cancelled" }[condition];
    if (wanted === undefined) throw new Error(`Not known to this stand-in: ${condition}`);
    return this.#status === wanted;
  }

  async #runPhase(phase: Phase, script: string): Promise<void> {
    const files = await this.#commandFiles(phase);
    const started = performance.now();
    const child = spawn(this.#options.node ?? process.execPath, [join(this.#options.directory, script)], {
      cwd: this.#layout.workspace,
      env: this.#environment(files),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const reading = [child.stdout, child.stderr].map((stream) => this.#read(stream));
    const { timeoutMs, graceMs, signal } = this.#options;
    // Cancelling ends what is running; the post phase still has its turn, to clean up.
    const { code, ending } = await endOf(child, { timeoutMs, graceMs, signal: phase === "post" ? undefined : signal });
    await Promise.race([Promise.all(reading), setTimeout(OUTPUT_GRACE_MS, undefined, { ref: false })]);
    for (const stream of [child.stdout, child.stderr]) stream.destroy();
    this.#steps.push({ phase, code, milliseconds: Math.round(performance.now() - started) });
    await this.#takeFiles(files);
    if (ending === "overdue") this.#log.annotate("error", "The action has timed out.");
    if (ending === "cancelled") this.#status = "cancelled";
    else if (code !== 0 || ending === "overdue") this.#fail();
  }

  #fail(): void {
    if (this.#status === "success") this.#status = "failure";
  }

  async #read(stream: Readable): Promise<void> {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }))
      this.#log.line(line);
  }

  async #commandFiles(phase: Phase): Promise<CommandFiles> {
    const path = (name: string) => join(this.#layout.commands, `${name.toLowerCase()}_${phase}`);
    const files = Object.fromEntries(FILE_COMMANDS.map((name) => [name, path(name)])) as CommandFiles;
    for (const file of Object.values(files)) await writeFile(file, "");
    return files;
  }

  #environment(files: CommandFiles): Record<string, string> {
    return {
      ...this.#env,
      PATH: [...this.#path, process.env["PATH"] ?? "/usr/bin:/bin"].join(":"),
      HOME: this.#layout.home,
      CI: "true",
      GITHUB_ACTIONS: "true",
      ...githubEnvironment(this.#github),
      GITHUB_EVENT_PATH: this.#layout.event,
      ...files,
      RUNNER_OS: "Linux",
      RUNNER_ARCH: process.arch === "arm64" ? "ARM64" : "X64",
      RUNNER_NAME: "stand-in",
      RUNNER_ENVIRONMENT: "github-hosted",
      RUNNER_TEMP: this.#layout.temp,
      RUNNER_TOOL_CACHE: this.#layout.toolCache,
      RUNNER_WORKSPACE: join(this.#layout.workspace, ".."),
      ...this.#inputs,
      ...Object.fromEntries(Object.entries(this.#log.state).map(([name, value]) => [`STATE_${name}`, value])),
      ...this.#options.env,
    };
  }

  /** Read what the phase wrote. One malformed file fails the step; the others count all the same. */
  async #takeFiles(files: CommandFiles): Promise<void> {
    await this.#takeEntries(files.GITHUB_OUTPUT, this.#outputs);
    await this.#takeEntries(files.GITHUB_STATE, this.#log.state);
    await this.#takeEntries(files.GITHUB_ENV, this.#env);
    const directories = (await readFile(files.GITHUB_PATH, "utf8")).split(/\r?\n/).filter((line) => line !== "");
    this.#path.unshift(...directories.toReversed());
    const summary = await readFile(files.GITHUB_STEP_SUMMARY);
    if (summary.length <= SUMMARY_LIMIT) this.#summary += summary.toString();
    else {
      const size = Math.ceil(summary.length / 1024);
      const message = `$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got ${size}k.`;
      this.#log.annotate("error", message);
    }
  }

  async #takeEntries(file: string, into: Record<string, string>): Promise<void> {
    try {
      for (const [name, value] of parseFileCommands(await readFile(file, "utf8"))) into[name] = value;
    } catch (error) {
      this.#log.annotate("error", error instanceof Error ? error.message : String(error));
      this.#fail();
    }
  }
}

function inputVariable(name: string): string {
  return `INPUT_${name.replaceAll(" ", "_").toUpperCase()}`;
}

/** How long the runner reads on when a child of the action keeps its output open. */
const OUTPUT_GRACE_MS = 2000;
