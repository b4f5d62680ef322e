/**
 * A stand-in for what GitHub does with a workflow: jobs in the order of their needs, conditions, permissions, secrets,
 * outputs, artifacts, concurrency, and reusable workflows of our own. What each job could see is kept for the test.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { ArtifactStore } from "./artifact-store.ts";
import { asText, type Contexts, fillIn, holds, type Json, type Status } from "./expressions.ts";
import type { Attestation, KnownRepository, Permissions } from "./known-actions.ts";
import { OURS } from "./known-actions.ts";
import { ROOT } from "./project.ts";
import { runSteps, type Step, type StepResult } from "./workflow-steps.ts";

/** The event that a workflow runs for. */
export interface WorkflowEvent {
  readonly name: string;
  readonly ref: string;
  readonly sha: string;
  readonly payload?: Readonly<Record<string, unknown>>;
}

/** What lasts from one run to the next: the forge. */
export interface Forge {
  /** owner/name of the site. */
  readonly repository: string;
  readonly repositories: Readonly<Record<string, KnownRepository>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly serverUrl: string;
  readonly apiUrl?: string;
  /** Variables that the runner itself sets for every step, such as those of the cache. */
  readonly runnerEnv?: Readonly<Record<string, string>>;
  /** Programs of the machine that are stood in for, by name, as bash scripts. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Called with every token that is given to a job. */
  readonly onToken?: (token: string, permissions: Permissions) => void;
  /** Who holds which concurrency group; shared by all runs. */
  readonly groups: Map<string, Promise<unknown>>;
}

export interface WorkflowRunOptions {
  /** The site's own workflow. */
  readonly workflow: string;
  readonly event: WorkflowEvent;
  readonly forge: Forge;
  /** Our reusable workflow, where it is not the one in this checkout. */
  readonly reusable?: string;
  /** A directory of the test's. */
  readonly scratch: string;
  /** Called before a job starts, to interfere. */
  readonly beforeJob?: (job: string, run: { readonly artifacts: ArtifactStore }) => void;
}

export interface JobResult {
  readonly id: string;
  readonly result: Status;
  readonly outputs: Readonly<Record<string, Json>>;
  readonly permissions: Permissions;
  readonly environment: string;
  readonly steps: readonly StepResult[];
  /** Everything that any process of the job found in its environment, one `NAME=value` an entry. */
  readonly seen: readonly string[];
  readonly log: string;
  readonly summary: string;
}

export interface WorkflowRun {
  readonly conclusion: "success" | "failure";
  /** By id; those of a called workflow as `caller/called`. */
  readonly jobs: ReadonlyMap<string, JobResult>;
  readonly artifacts: ArtifactStore;
  readonly attestations: readonly Attestation[];
  /** Why GitHub would not even have started it. */
  readonly startupFailure?: string;
}

type Document = Readonly<Record<string, Json>>;

interface Job {
  readonly id: string;
  readonly definition: Document;
  readonly needs: readonly string[];
}

/** Where a set of jobs comes from and what it was given. */
interface Scope {
  readonly prefix: string;
  readonly workflow: Document;
  readonly inputs: Json;
  readonly secrets: Readonly<Record<string, string>>;
  /** The most that its jobs may be granted; undefined: whatever they ask for. */
  readonly granted: Permissions | undefined;
  readonly ours: boolean;
}

/** Thrown where GitHub refuses a workflow before any job runs. */
class StartupFailure extends Error {}

export async function runWorkflow(options: WorkflowRunOptions): Promise<WorkflowRun> {
  const run = new Run(options);
  try {
    const workflow = parse(options.workflow) as Document;
    const secrets = isFork(options) ? {} : options.forge.secrets;
    await run.runJobs({ prefix: "", workflow, inputs: {}, secrets, granted: undefined, ours: false });
  } catch (error) {
    if (!(error instanceof StartupFailure)) throw error;
    return { ...run.left(), conclusion: "failure", startupFailure: error.message };
  }
  const failed = [...run.jobs.values()].some(({ result }) => result === "failure" || result === "cancelled");
  return { ...run.left(), conclusion: failed ? "failure" : "success" };
}

/** A pull request from another repository gets no secrets, and a token that can only read. */
function isFork({ event, forge }: WorkflowRunOptions): boolean {
  const pull = event.payload?.["pull_request"] as { head?: { repo?: { full_name?: string } } } | undefined;
  return event.name === "pull_request" && pull?.head?.repo?.full_name !== forge.repository;
}

let tokens = 0;

class Run {
  readonly jobs = new Map<string, JobResult>();
  readonly artifacts = new ArtifactStore();
  readonly attestations: Attestation[] = [];
  readonly #options: WorkflowRunOptions;

  constructor(options: WorkflowRunOptions) {
    this.#options = options;
  }

  left(): Pick<WorkflowRun, "jobs" | "artifacts" | "attestations"> {
    return { jobs: this.jobs, artifacts: this.artifacts, attestations: this.attestations };
  }

  /** Jobs start as soon as all they need has ended, whatever else is still running; the status of all of them. */
  async runJobs(scope: Scope): Promise<ReadonlyMap<string, JobResult>> {
    const jobs = jobsOf(scope.workflow);
    for (const { definition, id } of jobs) this.#permissions(scope, definition, id);
    const done = new Map<string, JobResult>();
    let waiting = jobs;
    while (waiting.length > 0) {
      const ready = waiting.filter(({ needs }) => needs.every((id) => done.has(id)));
      if (ready.length === 0) throw new StartupFailure("the jobs need each other in a circle");
      waiting = waiting.filter((job) => !ready.includes(job));
      const results = await Promise.all(ready.map((job) => this.#runLegs(scope, job, done)));
      for (const result of results) done.set(result.id, result);
    }
    return done;
  }

  /** A job once, or once for each value of its matrix, which has one dimension here. */
  async #runLegs(scope: Scope, job: Job, done: ReadonlyMap<string, JobResult>): Promise<JobResult> {
    const strategy = (job.definition["strategy"] ?? {}) as Document;
    const [dimension] = Object.entries((strategy["matrix"] ?? {}) as Record<string, readonly Json[]>);
    if (!dimension) return this.#runJob(scope, job, done, {});
    const [name, values] = dimension;
    const legs = await Promise.all(values.map((value) => this.#runJob(scope, job, done, { [name]: value })));
    const [first] = legs as [JobResult, ...JobResult[]];
    const whole = {
      ...first,
      result: statusOf(legs.map(({ result }) => result)),
      steps: legs.flatMap(({ steps }) => steps),
      seen: legs.flatMap(({ seen }) => seen),
      log: legs.map(({ log }) => log).join(""),
    };
    this.jobs.set(scope.prefix + job.id, whole);
    return whole;
  }

  async #runJob(scope: Scope, job: Job, done: ReadonlyMap<string, JobResult>, matrix: Document): Promise<JobResult> {
    const { definition } = job;
    const needs = Object.fromEntries(job.needs.map((id) => [id, needOf(done.get(id) as JobResult)]));
    const granted = this.#permissions(scope, definition, job.id);
    const permissions = this.#capped(granted);
    const token = `ghs_${scope.prefix.replace("/", "_")}${job.id}_${tokens++}`;
    const contexts: Contexts = {
      github: this.#github(token),
      needs,
      inputs: scope.inputs,
      strategy: {},
      matrix,
      vars: {},
    };
    const before = statusOf(Object.values(needs).map(({ result }) => result));
    const fullId = scope.prefix + job.id;
    const finish = (result: JobResult) => {
      this.jobs.set(fullId, result);
      return result;
    };
    const idle = { id: job.id, outputs: {}, permissions, environment: "", steps: [], seen: [], log: "", summary: "" };
    if (!holds(definition["if"], contexts, before)) return finish({ ...idle, result: "skipped" });
    this.#options.beforeJob?.(fullId, this);
    if (typeof definition["uses"] === "string") return finish(await this.#callWorkflow(scope, job, contexts, granted));
    this.#options.forge.onToken?.(token, permissions);
    const filled = fillIn(
      { environment: definition["environment"] ?? "", concurrency: definition["concurrency"] ?? "" },
      contexts,
    ) as { environment: Json; concurrency: Json };
    const work = () =>
      runSteps({
        id: fullId,
        steps: (definition["steps"] ?? []) as unknown as readonly Step[],
        env: (definition["env"] ?? {}) as Readonly<Record<string, Json>>,
        contexts,
        secrets: { ...scope.secrets, GITHUB_TOKEN: token },
        job: scope.ours
          ? { workflow_repository: OURS, workflow_sha: OUR_COMMIT }
          : { workflow_repository: this.#options.forge.repository, workflow_sha: this.#options.event.sha },
        token,
        permissions,
        options: this.#options,
        artifacts: this.artifacts,
        attestations: this.attestations,
      });
    const ran = await this.#inTurn(groupOf(filled.concurrency), work);
    const filledOutputs = fillIn(definition["outputs"] ?? {}, { ...contexts, steps: ran.stepsContext });
    const outputs = Object.fromEntries(
      Object.entries(filledOutputs as Document).map(([name, value]) => [name, asText(value)]),
    );
    return finish({ ...idle, ...ran, outputs, environment: asText(filled.environment) });
  }

  /** One of a group at a time. */
  async #inTurn<T>(group: string, work: () => Promise<T>): Promise<T> {
    if (group === "") return work();
    const { groups } = this.#options.forge;
    const turn = (groups.get(group) ?? Promise.resolve()).then(work, work);
    groups.set(group, turn);
    return turn;
  }

  async #callWorkflow(scope: Scope, job: Job, contexts: Contexts, permissions: Permissions): Promise<JobResult> {
    const { definition } = job;
    const uses = definition["uses"] as string;
    const file = new RegExp(`^(?:${OURS}/|\\./)(\\.github/workflows/[\\w.-]+\\.yml)(?:@[\\w.-]+)?$`).exec(uses)?.[1];
    if (file === undefined) throw new StartupFailure(`not one of ours: ${uses}`);
    const text = this.#options.reusable ?? (await readFile(path.join(ROOT, file), "utf8"));
    const workflow = parse(text) as Document;
    const call = ((workflow["on"] as Document)["workflow_call"] ?? {}) as Document;
    const secrets = passedSecrets(scope.secrets, definition["secrets"], call, contexts);
    const inputs = passedInputs(fillIn(definition["with"] ?? {}, contexts) as Document, call);
    const prefix = `${scope.prefix}${job.id}/`;
    const called = await this.runJobs({ prefix, workflow, inputs, secrets, granted: permissions, ours: true });
    const jobs = Object.fromEntries([...called].map(([id, { outputs, result }]) => [id, { outputs, result }]));
    const declared = Object.entries((call["outputs"] ?? {}) as Record<string, { value: Json }>);
    const outputs = declared.map(([name, { value }]) => [name, fillIn(value, { ...contexts, jobs })] as const);
    // A job that its own condition left out is no reason to call the whole workflow skipped.
    const results = [...called.values()].map(({ result: status }) => status);
    const result = statusOf(results.filter((status) => status !== "skipped"));
    const summary = { id: job.id, permissions, environment: "", steps: [], seen: [], log: "", summary: "" };
    return { ...summary, result, outputs: Object.fromEntries(outputs) };
  }

  /** What a job's token may do. Throws a startup failure where a called workflow wants more than its caller has. */
  #permissions({ workflow, granted, prefix }: Scope, definition: Document, id: string): Permissions {
    const asked = definition["permissions"] ?? workflow["permissions"];
    const wanted = asked === undefined ? (granted ?? DEFAULT_PERMISSIONS) : permissionsOf(asked);
    for (const [name, level] of Object.entries(wanted)) {
      if (!granted || granted[name] === "write" || granted[name] === level) continue;
      throw new StartupFailure(
        `Error calling workflow '${prefix}'. The nested job '${id}' is requesting '${name}: ${level}', but is only allowed '${name}: ${granted[name] ?? "none"}'.`,
      );
    }
    return wanted;
  }

  /** What is left of that for a pull request from a fork. */
  #capped(permissions: Permissions): Permissions {
    if (!isFork(this.#options)) return permissions;
    const readable = Object.keys(permissions).filter((name) => name !== "id-token");
    return Object.fromEntries(readable.map((name) => [name, "read"]));
  }

  #github(token: string): Json {
    const { event, forge } = this.#options;
    const pull = event.payload?.["pull_request"] as { head?: { ref?: string }; base?: { ref?: string } } | undefined;
    return {
      token,
      event_name: event.name,
      event: {
        repository: { default_branch: "main", full_name: forge.repository, private: false, visibility: "public" },
        ...(event.payload as Record<string, Json>),
      },
      ref: event.ref,
      ref_name: event.ref.replace(/^refs\/(?:heads|pull|tags)\//, ""),
      sha: event.sha,
      repository: forge.repository,
      repository_owner: forge.repository.split("/")[0] ?? "",
      head_ref: pull?.head?.ref ?? "",
      base_ref: pull?.base?.ref ?? "",
      server_url: forge.serverUrl,
      api_url: forge.apiUrl ?? "https://api.github.com",
      run_id: "77",
    };
  }
}

/** The commit of this checkout, as far as a workflow can tell. */
const OUR_COMMIT = "5".repeat(40);
/** Of a repository whose settings nobody has touched. */
const DEFAULT_PERMISSIONS: Permissions = { contents: "read", packages: "read" };

function jobsOf(workflow: Document): Job[] {
  return Object.entries((workflow["jobs"] ?? {}) as Record<string, Document>).map(([id, definition]) => {
    const needs = definition["needs"] ?? [];
    return { id, definition, needs: (typeof needs === "string" ? [needs] : needs) as string[] };
  });
}

function needOf({ result, outputs }: JobResult): { result: JobResult["result"]; outputs: JobResult["outputs"] } {
  return { result, outputs };
}

function statusOf(results: readonly JobResult["result"][]): Status {
  if (results.includes("cancelled")) return "cancelled";
  if (results.includes("failure")) return "failure";
  // What was skipped takes those that need it along, unless they say otherwise.
  return results.includes("skipped") ? "skipped" : "success";
}

function permissionsOf(asked: Json): Permissions {
  if (typeof asked === "string")
    return Object.fromEntries(ALL.map((name) => [name, asked === "write-all" ? "write" : "read"]));
  const entries = Object.entries((asked ?? {}) as Record<string, string>).filter(([, level]) => level !== "none");
  return Object.fromEntries(entries) as Permissions;
}

const ALL = ["actions", "attestations", "contents", "deployments", "id-token", "issues", "packages", "pull-requests"];

const groupOf = (concurrency: Json) =>
  typeof concurrency === "object" && concurrency !== null
    ? asText((concurrency as Document)["group"] ?? "")
    : asText(concurrency);

/** Only declared secrets arrive, and those of an own name only where the caller says `inherit`. */
function passedSecrets(
  own: Readonly<Record<string, string>>,
  passed: Json | undefined,
  call: Document,
  contexts: Contexts,
): Record<string, string> {
  if (passed === "inherit") return { ...own };
  const filled = fillIn(passed ?? {}, { ...contexts, secrets: own }) as Record<string, string | null>;
  const declared = Object.keys((call["secrets"] ?? {}) as Document);
  const unknown = Object.keys(filled).filter((name) => !declared.includes(name));
  if (unknown.length > 0)
    throw new StartupFailure(`Invalid secret, ${unknown.join(", ")} is not defined in the workflow`);
  return Object.fromEntries(Object.entries(filled).map(([name, value]) => [name, value ?? ""]));
}

function passedInputs(given: Document, call: Document): Document {
  const declared = (call["inputs"] ?? {}) as Record<string, { default?: Json; type: string; required?: boolean }>;
  const unknown = Object.keys(given).filter((name) => !(name in declared));
  if (unknown.length > 0)
    throw new StartupFailure(`Invalid input, ${unknown.join(", ")} is not defined in the workflow`);
  const empty: Readonly<Record<string, Json>> = { boolean: false, number: 0, string: "" };
  return Object.fromEntries(
    Object.entries(declared).map(([name, { default: value, type }]) => [
      name,
      given[name] ?? value ?? empty[type] ?? "",
    ]),
  );
}
