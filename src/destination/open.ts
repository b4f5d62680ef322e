/** A destination by its address: a git repository, or a repository of an OCI registry. */
import { DeployError } from "../errors.ts";
import { isRegistryAddress } from "../registry/address.ts";
import type { Log } from "../util/log.ts";
import { type AccessInputs, openAccess, requirePrograms } from "./access.ts";
import type { Destination } from "./destination.ts";
import { type GitDestination, gitDestination } from "./git.ts";
import { type Pruned, prune } from "./prune.ts";

/** How releases are kept there: `deploy` of the configuration. */
export interface DeploySettings {
  readonly branch: string;
  /** Directory of the release, or "" for the root; git only. */
  readonly path: string;
  readonly history?: number | undefined;
  /** Registries: whether images that urunc runs go along. */
  readonly runnable: boolean;
}

export interface DestinationInputs extends AccessInputs {
  readonly settings: DeploySettings;
  /** Registries: Sigstore bundles about the release, to go with it. */
  readonly attestation?: string | undefined;
  /** Git only: a directory for what the next deploy need not ask for again. */
  readonly cache?: string | undefined;
  readonly log: Log;
}

export interface OpenDestination extends Disposable {
  readonly destination: Destination;
  /** The same where it is a git repository. */
  readonly repository: GitDestination | undefined;
}

/** Throws what `openAccess` does, and PROGRAM_MISSING; CONFIG_INVALID for a branch that a registry cannot have. */
export async function openDestination(inputs: DestinationInputs): Promise<OpenDestination> {
  const { settings, cache, log, repository } = inputs;
  if (isRegistryAddress(repository)) {
    const { openRegistryDestination } = await import("./oci/open.ts");
    const destination = openRegistryDestination(inputs);
    return { destination, repository: undefined, [Symbol.dispose]() {} };
  }
  if (inputs.attestation !== undefined) {
    throw new DeployError("USAGE", "an attestation was given, and only a registry has a place for it", {
      hint: "deploy to oci://REGISTRY/NAME, or leave it out: gh attestation verify asks GitHub",
    });
  }
  const access = openAccess(inputs);
  try {
    await requirePrograms(access);
  } catch (error) {
    access[Symbol.dispose]();
    throw error;
  }
  const destination = gitDestination({ access, ...settings, cache, log, random: Math.random });
  return { destination, repository: destination, [Symbol.dispose]: () => access[Symbol.dispose]() };
}

export interface PruneInputs extends AccessInputs {
  readonly branch: string;
  /** Deployments to keep, 1 or more. */
  readonly history: number;
  readonly dryRun: boolean;
  readonly log: Log;
}

/** Throws what `openDestination` does, and RELEASE_MISSING or PUSH_REJECTED as the two kinds of it do. */
export async function pruneDestination(inputs: PruneInputs): Promise<Pruned> {
  const { repository } = inputs;
  if (isRegistryAddress(repository)) {
    const { pruneRegistryDestination } = await import("./oci/open.ts");
    return pruneRegistryDestination(inputs);
  }
  using access = openAccess(inputs);
  await requirePrograms(access);
  return prune({ ...inputs, access });
}
