/** The Action's door: reads inputs and event, runs the plan, sets outputs, and fails the step where the plan failed. */
import * as core from "@actions/core";
import type { ActionInputs } from "./github/inputs.ts";
import type { Log } from "./util/log.ts";
import { printable } from "./util/printable.ts";

declare const __VERSION__: string;

/** Milliseconds. */
const PROGRESS_EVERY = 15_000;

/** What servers and sites say is no command to the runner, which obeys "::" at the start of a line and "##[" anywhere. */
const tame = (text: string) =>
  printable(text)
    .replaceAll(/^(\s*):(?=:)/gm, "$1: ")
    .replaceAll("##[", "# #[");

const log: Log = {
  info: (message) => core.info(tame(message)),
  warning: (message) => core.warning(printable(message)),
  raw: (chunk) => void process.stdout.write(chunk),
  progress: seldom(core.info),
};

/** A log keeps every line: of progress that replaces itself it gets one now and then, where something takes long. */
function seldom(say: (message: string) => void): (message: string) => void {
  let next = performance.now() + PROGRESS_EVERY;
  return (message) => {
    if (message === "" || performance.now() < next) return;
    next = performance.now() + PROGRESS_EVERY;
    say(tame(message));
  };
}

async function main(): Promise<void> {
  const { readActionInputs } = await import("./github/inputs.ts");
  const inputs: ActionInputs = readActionInputs((name) => core.getInput(name, { trimWhitespace: true }), process.env);
  for (const secret of inputs.secrets) core.setSecret(secret);
  // What we run inherits our environment, and none of it needs these.
  for (const name of ["TOKEN", "SSH-KEY", "SIGNING-KEY"]) delete process.env[`INPUT_${name}`];
  const { runAction } = await import("./github/run-action.ts");
  const result = await runAction(inputs, { log, env: process.env, version: __VERSION__ });
  for (const [name, value] of Object.entries(result.outputs)) core.setOutput(name, value);
  const annotate = { error: core.error, warning: core.warning, notice: core.notice };
  for (const { level, title, message, file, line } of result.annotations) {
    annotate[level](message, { title, ...(file ? { file } : {}), ...(line ? { startLine: line } : {}) });
  }
  try {
    await core.summary.addRaw(result.summary).write();
  } catch (error) {
    // Everything is done by now; a step that fails would say otherwise.
    const { messageOf } = await import("./errors.ts");
    log.warning(`the summary of this run cannot be shown: ${messageOf(error)}`);
  }
  if (result.failure !== undefined) core.setFailed(result.failure);
}

/** One annotation with the code, what happened, and what to do; a stack only for what is a fault of ours. */
async function fail(thrown: unknown): Promise<void> {
  const { toldError } = await import("./util/files.ts");
  const error = toldError(thrown);
  if (error) {
    const { renderError } = await import("./report/error-text.ts");
    core.setFailed(renderError(error));
    process.exitCode = error.exitCode;
    return;
  }
  core.setFailed(
    `${thrown instanceof Error ? thrown.stack : String(thrown)}\nThis is a fault of unikernel-deploy ${__VERSION__}; please report it.`,
  );
}

const ENDINGS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

for (const [signal, code] of Object.entries(ENDINGS)) {
  process.on(signal, () => void end(signal, code));
}

let isEnding = false;

/** A second signal does not keep what the first one began from being done. */
async function end(signal: string, code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  const { endEverything } = await import("./util/cleanup.ts");
  await endEverything();
  core.error(`error[CANCELLED]: stopped by ${signal}; nothing half done is left`);
  process.exit(code);
}

await main().catch(fail);
