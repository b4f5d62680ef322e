/**
 * Deploys to a registry that is killed and started again at random moments of each. After every one the newest release is
 * there, whole, and nothing that was reported as deployed is lost.
 */
import { createCipheriv, createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeArtifact } from "../../src/destination/oci/artifact.ts";
import { ociDestination } from "../../src/destination/oci/destination.ts";
import { DeployError } from "../../src/errors.ts";
import { openRegistry, type Registry } from "../../src/registry/registry.ts";
import { silentLog } from "../../src/util/log.ts";
import { startRegistry } from "../support/registry.ts";
import { tempDir } from "../support/temp.ts";
import { commitAt, options, releaseAt } from "./contract.ts";

export interface Killing {
  readonly deploys: number;
  /** Deploys that went on by themselves when the registry came back. */
  readonly rodeOn: number;
  /** Deploys that gave up, with an error that says so, and went well when run again. */
  readonly repeated: number;
  readonly problems: readonly string[];
}

export async function killRegistry(deploys: number): Promise<Killing> {
  await using server = await startRegistry();
  await using dir = await tempDir("oci-kill");
  const registry = openRegistry({ address: server.address("site/www"), env: {}, log: silentLog });
  const destination = ociDestination({ registry, branch: "main", log: silentLog, random: Math.random });
  const problems: string[] = [];
  const deployed = new Map<string, string>();
  let [rodeOn, repeated, usual] = [0, 0, 0];
  for (let place = 1; place <= deploys; place++) {
    const release = await releaseAt(dir.path, place, { page: noise(place) });
    const started = performance.now();
    // The first one says how long it takes.
    const killing = place === 1 ? undefined : killDuring(server, Math.random() * usual * 1.2);
    let published = await destination.publish(release, options()).catch((error: unknown) => {
      if (!(error instanceof DeployError) || error.exitCode !== 3) problems.push(`deploy ${place}: ${String(error)}`);
      return undefined;
    });
    await killing;
    if (place === 1) usual = performance.now() - started;
    if (published) rodeOn++;
    else repeated++;
    published ??= await destination.publish(release, options());
    if (published.outcome !== "deployed" && published.outcome !== "unchanged")
      problems.push(`deploy ${place}: ${published.outcome}`);
    deployed.set(commitAt(place), published.revision ?? "");
    problems.push(
      ...(await problemsIn(registry, commitAt(place), deployed)).map((problem) => `deploy ${place}: ${problem}`),
    );
  }
  return { deploys, rodeOn, repeated, problems };
}

async function killDuring(server: Awaited<ReturnType<typeof startRegistry>>, after: number): Promise<void> {
  await sleep(after);
  await server.kill();
  await sleep(Math.random() * 300);
  await server.start();
}

/** Incompressible text, so that a blob is some time on its way. */
function noise(place: number): string {
  const key = createHash("sha256").update(String(place)).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(3_000_000)).toString("base64");
}

async function problemsIn(
  registry: Registry,
  newest: string,
  deployed: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  try {
    const latest = await registry.readManifest("latest");
    if (!latest) return ["no latest"];
    const release = decodeArtifact(latest.bytes, "latest");
    const problems = release.commit === newest ? [] : [`latest is ${release.commit}`];
    // Reading verifies.
    for (const layer of release.layers) for await (const _ of registry.readBlob(layer));
    for (const [commit, digest] of deployed) {
      const source = await registry.readManifest(`source-${commit}`);
      if (source?.digest !== digest) problems.push(`${commit} is ${source?.digest}, was ${digest}`);
    }
    return problems;
  } catch (error) {
    return [String(error)];
  }
}

export async function soak(deploys: number): Promise<boolean> {
  const { rodeOn, repeated, problems } = await killRegistry(deploys);
  process.stdout.write(
    `${deploys} deploys, a registry killed in each: ${rodeOn} rode on, ${repeated} were run again\n`,
  );
  for (const problem of problems) process.stdout.write(`  ${problem}\n`);
  return problems.length === 0;
}
