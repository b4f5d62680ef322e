/** Waits until a site serves the release that was just deployed. */
import { setTimeout as sleep } from "node:timers/promises";
import { DeployError, messageOf } from "../errors.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import { sha256 } from "../util/digest.ts";
import type { Log } from "../util/log.ts";

const DEADLINE = 10 * 60_000;
const INTERVAL = 5_000;

/** Throws HEALTH_FAILED when the page's digest is not the manifest's after ten minutes; says what was served instead. */
export async function waitForRelease(url: string, manifest: ReleaseManifest, log: Log): Promise<void> {
  const expected = manifest.health?.[0]?.sha256;
  if (expected === undefined) return log.warning(`wait-for: the site has no index.html to compare ${url} with`);
  const end = performance.now() + DEADLINE;
  for (;;) {
    const served = await fetchDigest(url);
    if (served === expected) return log.info(`${url} serves the release`);
    if (performance.now() + INTERVAL > end) {
      throw new DeployError(
        "HEALTH_FAILED",
        `${url} does not serve release ${manifest.sequence} after ten minutes: ${served}`,
        {
          hint: "is the host following the deployment repository? unikernel-deploy host sync there says what it sees",
        },
      );
    }
    await sleep(INTERVAL);
  }
}

/** The digest of what is served, or why nothing is. */
async function fetchDigest(url: string): Promise<string> {
  try {
    const response = await fetch(url, {
      headers: { "cache-control": "no-cache" },
      signal: AbortSignal.timeout(INTERVAL * 2),
    });
    if (!response.ok) return `status ${response.status}`;
    return sha256(new Uint8Array(await response.arrayBuffer()));
  } catch (error) {
    return messageOf(error);
  }
}
