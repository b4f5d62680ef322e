/** One run of the Action: inputs to plan to result, with what only a workflow has around it: cache, comment, waiting. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { readConfigFile } from "../cli/config-file.ts";
import { type Access, openAccess } from "../destination/access.ts";
import { gitDestination } from "../destination/git.ts";
import { readConfig } from "../inputs/config.ts";
import { configError } from "../inputs/layers.ts";
import { actionStyle } from "../inputs/raw.ts";
import type { Config } from "../inputs/schema.ts";
import { isDataVolume } from "../manifest/schema.ts";
import { type Plan, planAction } from "../plan.ts";
import { publishOptions } from "../ports.ts";
import { type Annotation, renderAnnotations } from "../report/annotations.ts";
import { renderBoot } from "../report/boot.ts";
import { reportDocument } from "../report/document.ts";
import type { RunResult } from "../report/result.ts";
import { renderSummary } from "../report/summary.ts";
import { renderFindings, renderVerdict } from "../report/text.ts";
import { run } from "../run.ts";
import type { Log } from "../util/log.ts";
import type { ActionInputs } from "./inputs.ts";

export interface ActionPorts {
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
}

export interface ActionResult {
  readonly outputs: Readonly<Record<string, string>>;
  readonly annotations: readonly Annotation[];
  readonly summary: string;
  /** Why the step fails, where it does. */
  readonly failure: string | undefined;
}

export async function runAction(inputs: ActionInputs, ports: ActionPorts): Promise<ActionResult> {
  const config = readConfig(readConfigFile(inputs.config, inputs.directory), inputs.raw, actionStyle);
  const plan = planAction(inputs, config, inputs.event);
  if (plan.release.kind === "build" && config.kernels.length === 0) {
    throw configError([
      'input "kernel": missing: name what the build leaves, or list it under kernels: in unikernel.yml',
    ]);
  }
  ports.log.info(`${plan.deploy ? "will deploy" : "will not deploy"}: ${plan.reason}`);
  // Keys are judged before minutes are spent on a build.
  using access = plan.deploy ? accessFor(inputs, config, ports.env) : undefined;
  const publish = publishOptions({ ...inputs, layout: config.deploy.layout, env: ports.env });
  const cached =
    inputs.cache.length > 0 && plan.release.kind === "build" ? await restore(inputs, ports.log) : undefined;
  const result = await run(plan, config, {
    ...ports,
    directory: inputs.directory,
    tools: { "unikernel-deploy": ports.version },
    ...(access ? { destination: destinationFor(access, config, ports.log), publish } : {}),
  });
  await cached?.save();
  const summary = renderSummary(result);
  if (inputs.comment) await comment(inputs, summary, ports);
  if (inputs.waitFor && result.published?.outcome === "deployed") await wait(inputs.waitFor, result, ports.log);
  if (result.boot) ports.log.info(renderBoot(result.boot));
  if (result.findings.length > 0) ports.log.info(renderFindings(result.findings));
  return {
    outputs: outputsOf(result, plan, inputs),
    annotations: renderAnnotations(result.findings),
    summary,
    failure: result.passed ? undefined : `the checks found ${renderVerdict(result.findings)}; nothing was deployed`,
  };
}

function accessFor(inputs: ActionInputs, config: Config, env: NodeJS.ProcessEnv): Access {
  return openAccess({ ...inputs, env, repository: config.deploy.repository as string });
}

function destinationFor(access: Access, config: Config, log: Log) {
  const { branch, path: directory, history } = config.deploy;
  return gitDestination({ access, branch, path: directory, history, log, random: Math.random });
}

async function restore(inputs: ActionInputs, log: Log) {
  const { restoreCache } = await import("./cache.ts");
  return restoreCache(inputs.cache, inputs.directory, log);
}

async function comment(inputs: ActionInputs, summary: string, ports: ActionPorts): Promise<void> {
  const { upsertComment } = await import("./comment.ts");
  await upsertComment(inputs, summary, ports);
}

async function wait(url: string, result: RunResult, log: Log): Promise<void> {
  const { waitForRelease } = await import("./wait-for.ts");
  await waitForRelease(url, result.manifest, log);
}

function outputsOf(result: RunResult, plan: Plan, inputs: ActionInputs): Record<string, string> {
  const { manifest, directory, published } = result;
  return {
    release: directory,
    manifest: path.join(directory, "manifest.json"),
    report: reportPath(result, plan, inputs),
    changed: String(published?.outcome === "deployed"),
    "deployed-commit": published?.revision ?? "",
    sequence: published ? String(published.manifest.sequence ?? "") : "",
    "kernel-sha256": manifest.kernels[0]?.sha256 ?? "",
    "data-sha256": manifest.volumes.find(isDataVolume)?.sha256 ?? "",
  };
}

/** A release that was given is left as it is; the report of checking it again stands beside. */
function reportPath(result: RunResult, plan: Plan, inputs: ActionInputs): string {
  if (plan.release.kind === "build") return path.join(result.directory, "report.json");
  const file = path.join(path.dirname(inputs.out), "unikernel-report.json");
  writeFileSync(file, `${JSON.stringify(reportDocument(result.manifest, result), null, 2)}\n`);
  return file;
}
