/** A registry as a destination, by its address: loaded only where there is one. */
import type { Destination } from "../destination.ts";
import type { DestinationInputs, PruneInputs } from "../open.ts";
import type { Pruned } from "../prune.ts";
import { registryFor } from "./access.ts";
import { companionsOf, registryDestination } from "./companions.ts";
import { pruneRegistry } from "./retention.ts";
import { tagNames } from "./tags.ts";

/** Throws as `registryFor` does. */
export function openRegistryDestination(inputs: DestinationInputs): Destination {
  const { settings, attestation, log } = inputs;
  return registryDestination({ registry: registryFor(inputs), ...settings, attestation, log, random: Math.random });
}

/** Throws as `registryFor` and `pruneRegistry` do. */
export async function pruneRegistryDestination(inputs: PruneInputs): Promise<Pruned> {
  const { branch, log } = inputs;
  const companions = companionsOf({ branch, runnable: false });
  return pruneRegistry({ registry: registryFor(inputs), companions, log }, tagNames(branch), inputs);
}
