/** The verbs of the host. */
import path from "node:path";
import { syncHost } from "../host/sync.ts";
import { readHostConfig } from "../inputs/config.ts";
import { DeployError } from "../errors.ts";
import { renderRelease } from "../report/text.ts";
import type { Command } from "./command.ts";
import { readConfigFile, readNamedFile } from "./config-file.ts";

export const hostSync: Command = {
  usage: "--config F [--dry-run] [--allow-downgrade]",
  about: `
One pass on the host: fetches the deployment repository, verifies every digest (and the signature, where host.yml names
allowed-signers), lays the release out below STATE/releases/ and switches STATE/current to it at once. Nothing is started.
Exit code 4 when something is not what was promised; the current release is then untouched. host.yml needs name,
repository, target and state; relative paths in it are relative to the file.`,
  options: {
    config: { value: "FILE", required: true, help: "host.yml" },
    "dry-run": { help: "fetch and verify, but do not switch" },
    "allow-downgrade": { help: "accept a release older than the newest that ran here" },
  },
  positionals: [],
  examples: ["unikernel-deploy host sync --config /etc/unikernel-deploy/www.yml"],
  async run(args, io) {
    const file = readConfigFile(args.text("config"), io.directory);
    if (!file) throw new DeployError("USAGE", "--config: missing");
    const config = readHostConfig(file);
    const directory = path.dirname(path.resolve(io.directory, file.name));
    const synced = await syncHost(config, {
      ...io,
      directory,
      allowDowngrade: args.flag("allow-downgrade"),
      dryRun: args.flag("dry-run"),
      sshKey: readNamedFile(config["ssh-key"], directory),
      knownHosts: readNamedFile(config["known-hosts"], directory),
    });
    const { outcome, manifest, release, revision, signer } = synced;
    const what = `release ${manifest.sequence} of ${manifest.name} (source ${manifest.source.commit.slice(0, 12)})`;
    const lines = {
      updated: `current is now ${what}`,
      current: `${what} is current already`,
      planned: `dry run: ${what} is good; it was not made current`,
    };
    const text = [
      renderRelease(manifest),
      lines[outcome],
      ...(signer ? [`signed by ${signer}`] : []),
      `release: ${release}`,
    ].join("\n");
    io.answer(
      {
        outcome,
        name: manifest.name,
        sequence: manifest.sequence,
        commit: manifest.source.commit,
        revision,
        release,
        signer: signer ?? null,
      },
      text,
    );
    return 0;
  },
};
