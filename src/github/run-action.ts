/** One run of the Action: inputs to plan to result, with what only a workflow has around it: cache, comment, waiting. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readConfigFile, readNamedFile } from "../cli/config-file.ts";
import { type Access, openAccess } from "../destination/access.ts";
import type { PublishOptions } from "../destination/destination.ts";
import { type GitDestination, gitDestination } from "../destination/git.ts";
import { openDestination } from "../destination/open.ts";
import { isRegistryOf } from "../destination/oci/access.ts";
import { isRegistryAddress, parseAddress } from "../registry/address.ts";
import { readConfig } from "../inputs/config.ts";
import { configError } from "../inputs/config-error.ts";
import { actionStyle } from "../inputs/raw.ts";
import type { Config } from "../inputs/schema.ts";
import { isDataVolume } from "../manifest/schema.ts";
import { type Plan, planAction } from "../plan.ts";
import { publishOptions } from "../ports.ts";
import { MANIFEST_FILE, REPORT_FILE } from "../release/directory.ts";
import { type Annotation, renderAnnotations } from "../report/annotations.ts";
import { renderBoot } from "../report/boot.ts";
import { reportDocument } from "../report/document.ts";
import type { RunResult } from "../report/result.ts";
import { parseReport, speakFor } from "../report/read-report.ts";
import { renderComment, renderSummary } from "../report/summary.ts";
import { renderFindings, renderVerdict } from "../report/text.ts";
import { type Ports, run } from "../run.ts";
import type { Log } from "../util/log.ts";
import { comparer, readingAccess, surveyor } from "./compare.ts";
import type { ActionInputs } from "./inputs.ts";
import { locator } from "./locate.ts";
import { forgeOf } from "./order.ts";
import { writeDeployed } from "./subjects.ts";

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
  using opened = plan.deploy ? await destinationFor(inputs, config, ports) : undefined;
  using reading = opened || inputs.mode === "check" ? undefined : readingAccess(inputs, config, ports.env);
  const needsForge = opened || reading || inputs.comment;
  const own = { ...inputs, token: needsForge ? forgeToken(config.deploy.repository, inputs, ports.env) : undefined };
  const forge = forgeOf(own, ports.env, ports.log);
  const publish = await publishOptions({ ...inputs, ...ports, layout: config.deploy.layout, forge });
  const once = () =>
    run(plan, config, {
      ...ports,
      directory: inputs.directory,
      tools: { "unikernel-deploy": ports.version },
      ...(opened ? { destination: opened.destination, publish } : {}),
      ...comparing({ deploying: opened?.repository, reading, config, publish, log: ports.log }),
    });
  const found = await cachedRun(inputs, plan, ports.log, () =>
    opened?.repository ? remembering(inputs, config, ports, once) : once(),
  );
  const result = inputs.mode === "check" ? withBuildReport(found) : found;
  const summary = renderSummary(result);
  if (inputs.comment) await comment(own, result, ports);
  if (inputs.waitFor && result.published?.outcome === "deployed") await wait(inputs.waitFor, result, ports.log);
  if (result.boot) ports.log.info(renderBoot(result.boot));
  if (result.findings.length > 0) ports.log.info(renderFindings(result.findings));
  return {
    outputs: outputsOf(result, plan, inputs),
    annotations: renderAnnotations(result.findings, locator(config, inputs.directory)),
    summary,
    failure: result.passed ? undefined : `the checks found ${renderVerdict(result.findings)}; nothing was deployed`,
  };
}

function destinationFor(inputs: ActionInputs, config: Config, { env, log }: ActionPorts) {
  const repository = config.deploy.repository as string;
  const attestation = readNamedFile(inputs.attestationFile, inputs.directory);
  const options = { ...inputs, attestation, env, log, repository, settings: config.deploy, cache: memoryOf(inputs) };
  return openDestination({ ...options, token: tokenFor(repository, inputs, env) });
}

/** What the deploy before saw of the repository. */
const memoryOf = ({ out }: ActionInputs) => path.join(path.dirname(out), "unikernel-deploy-memory");

/** With what the deploy before saw of a git repository, where there is a cache to carry it. */
async function remembering(
  inputs: ActionInputs,
  { deploy }: Config,
  ports: ActionPorts,
  work: () => Promise<RunResult>,
): Promise<RunResult> {
  const { restoreMemory } = await import("./cache.ts");
  const place = [deploy.repository ?? "", deploy.branch, deploy.path];
  const memory = await restoreMemory(memoryOf(inputs), place, ports);
  const result = await work();
  await memory.save();
  return result;
}

/** The job's own token is the input's default. It is of no use to another server, and none of its business. */
function tokenFor(repository: string, inputs: ActionInputs, env: NodeJS.ProcessEnv): string | undefined {
  // Which registry is the server's own is known where registries are.
  if (isRegistryAddress(repository) || !isOfJob(inputs.token)) return inputs.token;
  return isElsewhere(repository, inputs, env) ? undefined : inputs.token;
}

/** For the server that the job runs on: a token that was given for another is none of its business either. */
function forgeToken(repository: string | undefined, inputs: ActionInputs, env: NodeJS.ProcessEnv): string | undefined {
  if (repository === undefined || isOfJob(inputs.token)) return inputs.token;
  if (!isRegistryAddress(repository)) return isElsewhere(repository, inputs, env) ? undefined : inputs.token;
  return isRegistryOf(inputs.server, parseAddress(repository).host) ? inputs.token : undefined;
}

const isOfJob = (token: string | undefined) => token?.startsWith("ghs_") === true;

/** Whether a token for the repository goes to another server than the job's; an address with a token of its own takes none. */
function isElsewhere(repository: string, inputs: ActionInputs, env: NodeJS.ProcessEnv): boolean {
  using plain = openAccess({ ...inputs, env, repository, token: undefined, sshKey: undefined });
  return !plain.authorization && /^https?:/.test(plain.url) && new URL(plain.url).host !== new URL(inputs.server).host;
}

interface Comparing {
  /** Where this run deploys to. */
  readonly deploying: GitDestination | undefined;
  /** For looking only. */
  readonly reading: Access | undefined;
  readonly config: Config;
  readonly publish: PublishOptions;
  readonly log: Log;
}

function comparing({ deploying, reading, config, publish, log }: Comparing): Pick<Ports, "compare"> {
  if (deploying) return { compare: comparer({ look: () => deploying.survey(), log, rehearse: undefined }) };
  if (!reading) return {};
  const { branch, path: directory, history } = config.deploy;
  const destination = gitDestination({ access: reading, branch, path: directory, history, log, random: Math.random });
  const rehearse = { destination, publish };
  return { compare: comparer({ look: surveyor(reading, config), log, rehearse }) };
}

/** Restores before the run and saves after it; after a run that failed only where the inputs ask for that. */
async function cachedRun(
  inputs: ActionInputs,
  plan: Plan,
  log: Log,
  work: () => Promise<RunResult>,
): Promise<RunResult> {
  if (inputs.cache.length === 0 || plan.release.kind !== "build") return work();
  const { restoreCache } = await import("./cache.ts");
  const cached = await restoreCache(inputs.cache, inputs.directory, log);
  let finished = false;
  try {
    const result = await work();
    finished = true;
    return result;
  } finally {
    if (finished || inputs.cacheOnFailure) await cached.save();
  }
}

/** A job that only checks speaks for the one that built, where the release carries its report. */
function withBuildReport(result: RunResult): RunResult {
  let text: string;
  try {
    text = readFileSync(path.join(result.directory, REPORT_FILE), "utf8");
  } catch {
    return result;
  }
  const report = parseReport(text);
  return report ? speakFor(report, result) : result;
}

async function comment(inputs: ActionInputs, result: RunResult, ports: ActionPorts): Promise<void> {
  const { upsertComment } = await import("./comment.ts");
  await upsertComment(inputs, { site: result.manifest.name, text: renderComment(result) }, ports);
}

async function wait(url: string, result: RunResult, log: Log): Promise<void> {
  const { waitForRelease } = await import("./wait-for.ts");
  await waitForRelease(url, result.manifest, log);
}

function outputsOf(result: RunResult, plan: Plan, inputs: ActionInputs): Record<string, string> {
  const { manifest, directory, published } = result;
  const deployed = published?.outcome === "deployed" ? writeDeployed(manifest, path.dirname(inputs.out)) : undefined;
  return {
    release: directory,
    manifest: deployed?.manifest ?? path.join(directory, MANIFEST_FILE),
    subjects: deployed?.subjects ?? "",
    report: reportPath(result, plan, inputs),
    changed: String(published?.outcome === "deployed"),
    "deployed-commit": published?.revision ?? "",
    sequence: published ? String(published.manifest.sequence ?? "") : "",
    image: runnableImage(published),
    "kernel-sha256": manifest.kernels[0]?.sha256 ?? "",
    "data-sha256": manifest.volumes.find(isDataVolume)?.sha256 ?? "",
  };
}

/** That of the first kernel which has one. */
function runnableImage(published: RunResult["published"]): string {
  const targets = published?.manifest.kernels.map(({ target }) => target ?? "") ?? [];
  return targets.map((target) => published?.images?.[target]).find((image) => image !== undefined) ?? "";
}

/** A release that was given is left as it is; the report of checking it again stands beside. */
function reportPath(result: RunResult, plan: Plan, inputs: ActionInputs): string {
  const isOurs = plan.release.kind === "build";
  const file = isOurs
    ? path.join(result.directory, REPORT_FILE)
    : path.join(path.dirname(inputs.out), "unikernel-report.json");
  writeFileSync(file, `${JSON.stringify(reportDocument(result.manifest, result), null, 2)}\n`);
  return file;
}
