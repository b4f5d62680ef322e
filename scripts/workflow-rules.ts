/** Our own rules for workflows, beyond what GitHub's language service and actionlint know. Pure. */
import { type Document, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";

export interface Problem {
  readonly file: string;
  readonly line: number;
  /** Which rule, or which tool, found it. */
  readonly rule: string;
  readonly message: string;
}

/** An action of others that our workflows may use, with the names it takes and gives. */
export interface UsedAction {
  readonly version: string;
  readonly commit: string;
  readonly inputs: Readonly<Record<string, { readonly required?: boolean }>>;
  readonly outputs: readonly string[];
}

/** By owner/name. */
export type UsedActions = Readonly<Record<string, UsedAction>>;

/** Where this project lives; its own releases are named by their major version. */
export const OURS = "unikernel-deploy/unikernel-deploy";

const PINNED = /^([\w.-]+\/[\w.-]+)((?:\/[\w.-]+)*)@([0-9a-f]{40})$/;
/** Triggers that run with the base repository's rights on what somebody else proposes. */
const PRIVILEGED = ["pull_request_target", "workflow_run"] as const;

type Json = { readonly [key: string]: unknown };

/** What is wrong with a workflow, by our rules. YAML that cannot be read is left to the other tools. */
export function ownRules(file: string, text: string, used: UsedActions): Problem[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) return [];
  const workflow = (document.toJS() ?? {}) as Json;
  const problems: Problem[] = [];
  const report = (rule: string, message: string, ...path: (string | number)[]) =>
    problems.push({ file, line: lineOf(document, lines, path), rule, message });

  const jobs = entries(workflow["jobs"]);
  checkPermissions(workflow, jobs, document, report);
  for (const [id, job] of jobs) {
    if (typeof job["uses"] === "string") checkUses(job["uses"], ["jobs", id, "uses"], document, used, report);
    for (const [at, step] of list(job["steps"]).entries()) {
      const path = ["jobs", id, "steps", at];
      if (typeof step["run"] === "string" && step["run"].includes("${{"))
        report("expression-in-run", "a script takes values from env:, never from an expression", ...path, "run");
      if (typeof step["uses"] !== "string") continue;
      checkUses(step["uses"], [...path, "uses"], document, used, report);
      if (step["uses"].startsWith("actions/checkout@")) checkCheckout(workflow, step, path, report);
    }
  }
  return problems;
}

type Report = (rule: string, message: string, ...path: (string | number)[]) => void;

/** Everything is granted by name, and what can write is granted to one job, with the reason beside it. */
function checkPermissions(
  workflow: Json,
  jobs: readonly (readonly [string, Json])[],
  document: Document,
  report: Report,
): void {
  const calls = jobs.every(([, job]) => typeof job["uses"] === "string");
  if (workflow["permissions"] === undefined) report("permissions", "say what the token may do: permissions: {}");
  const check = (granted: unknown, path: (string | number)[]) => {
    if (typeof granted === "string") return report("permissions", `${granted}: grant each by name`, ...path);
    for (const [name, level] of Object.entries((granted ?? {}) as Json)) {
      if (level !== "write") continue;
      // A workflow that only calls others cannot grant less than they need, and they say why.
      if (path.length === 1 && !(calls && jobs.length === 1) && jobs.length > 1)
        report("permissions", `${name}: write is for the one job that needs it`, ...path, name);
      if (!calls && commentOf(document, [...path, name]) === "")
        report("permissions", `${name}: write needs its reason in a comment`, ...path, name);
    }
  };
  check(workflow["permissions"], ["permissions"]);
  for (const [id, job] of jobs) check(job["permissions"], ["jobs", id, "permissions"]);
}

function checkUses(
  uses: string,
  path: (string | number)[],
  document: Document,
  used: UsedActions,
  report: Report,
): void {
  if (uses.startsWith("./")) return;
  const pin = PINNED.exec(uses);
  const name = (pin?.[1] ?? uses.split("@")[0] ?? "").split("/").slice(0, 2).join("/");
  if (name === OURS && /@(?:v\d+|[0-9a-f]{40})$/.test(uses)) return;
  if (!pin) return report("pinned", `${uses}: pin it by its full commit`, ...path);
  const version = /^\s*(v\d+\.\d+\.\d+)\b/.exec(commentOf(document, path))?.[1];
  if (version === undefined) return report("pinned", `${uses}: name the version in a comment`, ...path);
  const known = used[name];
  if (known?.commit !== pin[3] || known?.version !== version)
    report("pinned", `${uses} # ${version}: not what .github/actions-used.json lists`, ...path);
}

function checkCheckout(workflow: Json, step: Json, path: (string | number)[], report: Report): void {
  const inputs = (step["with"] ?? {}) as Json;
  if (inputs["persist-credentials"] !== false)
    report("persist-credentials", "a checkout leaves no token behind: persist-credentials: false", ...path);
  const triggers = triggersOf(workflow);
  for (const trigger of PRIVILEGED) {
    if (triggers.includes(trigger))
      report("privileged-checkout", `${trigger} with a checkout: what somebody proposes gets our rights`, ...path);
  }
}

function triggersOf(workflow: Json): string[] {
  const on = workflow["on"];
  if (typeof on === "string") return [on];
  return Array.isArray(on) ? on.map(String) : Object.keys((on ?? {}) as Json);
}

const entries = (value: unknown) =>
  Object.entries((value ?? {}) as Record<string, Json | null>).map(([id, job]) => [id, job ?? {}] as const);
const list = (value: unknown) => (Array.isArray(value) ? (value as Json[]) : []);

/** The comment at the end of a value's line. */
function commentOf(document: Document, path: readonly (string | number)[]): string {
  const node = document.getIn(path, true);
  return (isScalar(node) ? node.comment : undefined) ?? "";
}

/** The line of a key or an item, from 1. */
function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[]): number {
  let offset = 0;
  let node: unknown = document.contents;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part);
      if (isScalar(pair?.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair?.value;
    } else if (isSeq(node)) {
      node = node.items[part as number];
      if (isMap(node)) offset = node.range?.[0] ?? offset;
    }
  }
  return lines.linePos(offset).line;
}

/** A script of a workflow, as bash gets it. */
export interface Script {
  readonly line: number;
  readonly text: string;
}

/** Every `run:` for bash. Expressions, which another rule forbids, become names. */
export function scriptsOf(text: string): Script[] {
  const lines = new LineCounter();
  const scripts: Script[] = [];
  visit(parseDocument(text, { lineCounter: lines }), {
    Pair(_, pair) {
      if (!isPair(pair) || !isScalar(pair.key) || pair.key.value !== "run") return;
      if (!isScalar(pair.value) || typeof pair.value.value !== "string") return;
      const block = pair.value.type === "BLOCK_LITERAL" || pair.value.type === "BLOCK_FOLDED";
      const line = lines.linePos(pair.value.range?.[0] ?? 0).line;
      const script = pair.value.value.replaceAll(/\$\{\{.*?\}\}/gs, (match) => "_".repeat(match.length));
      scripts.push({ line: block ? line + 1 : line, text: script });
    },
  });
  return scripts;
}
