/** Mistakes in inputs and configuration as one error. On its own, so that telling them loads no schema. Pure. */
import { DeployError } from "../errors.ts";

/** CONFIG_INVALID with one or more problems. */
export function configError(problems: readonly string[], hint?: string): DeployError {
  const title =
    problems.length === 1 ? "a mistake in the configuration" : `${problems.length} mistakes in the configuration`;
  return new DeployError("CONFIG_INVALID", title, { problems, hint });
}
