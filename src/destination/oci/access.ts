/** How a registry is reached: its address, and credentials from the input, from the address or from docker's own file. */
import { DeployError } from "../../errors.ts";
import { parseAddress } from "../../registry/address.ts";
import { dockerCredentials } from "../../registry/docker-config.ts";
import { openRegistry, type Registry } from "../../registry/registry.ts";
import type { Log } from "../../util/log.ts";
import type { AccessInputs } from "../access.ts";
import { hostnameOf } from "../address.ts";

/** Throws USAGE for an address that is none, and for a deploy key, which no registry takes. Asks nobody. */
export function registryFor(inputs: AccessInputs & { readonly log: Log }): Registry {
  const { repository, sshKey, env, log } = inputs;
  const address = parseAddress(repository);
  if (sshKey !== undefined) {
    throw new DeployError("USAGE", `a deploy key was given, and ${address.text} is not reached by ssh`, {
      hint: "give a token, and leave the key out",
    });
  }
  const token = tokenFor(address.host, inputs);
  const given = token ? { username: "", password: token } : undefined;
  const credentials = given ?? (address.credentials?.password ? undefined : dockerCredentials(address.host, env, log));
  return openRegistry({ address: repository, credentials, writes: true, env, log });
}

/**
 * The job's own token is the default of the Action's input. It opens the registry of the server that the job runs on, and
 * is of no use to another, and none of its business.
 */
function tokenFor(host: string, { token, server, env }: AccessInputs): string | undefined {
  if (!token?.startsWith("ghs_")) return token;
  return isRegistryOf(server ?? (env.GITHUB_SERVER_URL || "https://github.com"), host) ? token : undefined;
}

/** Whether a host is where a forge keeps the packages of its repositories. */
export function isRegistryOf(server: string, host: string): boolean {
  const own = hostnameOf(server);
  return (own === "github.com" ? ["ghcr.io"] : [`containers.${own}`, `docker.${own}`]).includes(host);
}
