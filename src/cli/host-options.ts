/** What every verb of the host begins with: host.yml, and what it names. */
import path from "node:path";
import { DeployError } from "../errors.ts";
import type { HostOptions } from "../host/context.ts";
import { readHostConfig } from "../inputs/config.ts";
import type { Arguments, Io, Option } from "./command.ts";
import { keepHeapSmall } from "../util/memory.ts";
import { readConfigFile, readNamedFile } from "./config-file.ts";

export const HOST_CONFIG: Option = { value: "FILE", required: true, help: "host.yml" };

/** Throws USAGE and CONFIG_INVALID with every mistake and its line. */
export function hostOptions(args: Arguments, io: Io): HostOptions {
  keepHeapSmall();
  const file = readConfigFile(args.text("config"), io.directory);
  if (!file) throw new DeployError("USAGE", "--config: missing");
  const config = readHostConfig(file);
  const directory = path.dirname(path.resolve(io.directory, file.name));
  return {
    config,
    directory,
    env: io.env,
    log: io.log,
    sshKey: readNamedFile(config["ssh-key"], directory),
    knownHosts: readNamedFile(config["known-hosts"], directory),
    now: () => new Date(),
  };
}
