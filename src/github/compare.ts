/** Sets a release beside what is deployed now. What cannot be read is left out: a report does not fail a run. */
import { type Access, openAccess } from "../destination/access.ts";
import type { Destination, PublishOptions } from "../destination/destination.ts";
import { type Survey, survey } from "../destination/survey.ts";
import { messageOf } from "../errors.ts";
import type { Config } from "../inputs/schema.ts";
import { isRegistryAddress } from "../registry/address.ts";
import { type Comparison, compareWith } from "../report/comparison.ts";
import type { Ports } from "../run.ts";
import type { Log } from "../util/log.ts";
import type { ActionInputs } from "./inputs.ts";

/** How many of the last deployments the chart shows. */
const DEPLOYMENTS = 8;
/** A server that sends nothing for this long is not waited for (seconds). */
const PATIENCE = "20";

/** Opens the deployment repository for reading; the token goes only to the server that the job's own is on. */
export function readingAccess(inputs: ActionInputs, { deploy }: Config, env: NodeJS.ProcessEnv): Access | undefined {
  const { repository } = deploy;
  if (!repository || isRegistryAddress(repository)) return undefined;
  const access = openAccess({ ...inputs, token: undefined, env, repository });
  const onServer = access.url.startsWith(`${inputs.server.replace(/\/+$/, "")}/`);
  if (!onServer || !inputs.token) return impatient(access);
  access[Symbol.dispose]();
  return impatient(openAccess({ ...inputs, env, repository }));
}

const impatient = (access: Access): Access => ({
  ...access,
  env: { ...access.env, GIT_HTTP_LOW_SPEED_LIMIT: "1", GIT_HTTP_LOW_SPEED_TIME: PATIENCE },
  [Symbol.dispose]: () => access[Symbol.dispose](),
});

export interface CompareOptions {
  /** Looks at what is deployed. */
  readonly look: () => Promise<Survey | undefined>;
  readonly log: Log;
  /** Where the release would go, where this run does not deploy: a dry run says what it would push. */
  readonly rehearse: { readonly destination: Destination; readonly publish: PublishOptions } | undefined;
}

/** Looks at a repository that this run does not deploy to. */
export function surveyor(access: Access, { deploy: { branch, path } }: Config): CompareOptions["look"] {
  return () => survey({ access, branch, path, deployments: DEPLOYMENTS });
}

export function comparer({ look, log, rehearse }: CompareOptions): NonNullable<Ports["compare"]> {
  return async ({ manifest, kernels, volumes }) => {
    let now: Survey | undefined;
    try {
      now = await look();
    } catch (error) {
      log.info(`not compared with what is deployed: ${messageOf(error)}`);
      return undefined;
    }
    const files = new Map(volumes.map(({ name, index }) => [name, index]));
    const push = rehearse && (await dryRun(rehearse, { manifest, kernels, volumes }));
    return compareWith(now, { manifest, files }, push);
  };
}

type Rehearsal = NonNullable<CompareOptions["rehearse"]>;

async function dryRun(
  { destination, publish }: Rehearsal,
  release: Parameters<Destination["publish"]>[0],
): Promise<Comparison["push"]> {
  try {
    const { outcome, manifest, changed, removed, bytes } = await destination.publish(release, {
      ...publish,
      dryRun: true,
    });
    const sequence = manifest.sequence === undefined ? {} : { sequence: manifest.sequence };
    return { outcome, ...sequence, changed, removed, bytes };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
