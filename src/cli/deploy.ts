/** The verb `deploy`. */
import { memoryDirectory } from "../destination/memory.ts";
import { openDestination } from "../destination/open.ts";
import { DeployError } from "../errors.ts";
import { readConfig } from "../inputs/config.ts";
import { flagStyle } from "../inputs/raw.ts";
import { run } from "../run.ts";
import { publishOptions } from "../ports.ts";
import { answerRun } from "./answer.ts";
import type { Command } from "./command.ts";
import { readConfigFile, readNamedFile } from "./config-file.ts";

export const deploy: Command = {
  usage: "--release DIR --repository URL [--branch main] [--path DIR] [--layout image|files] …",
  about: `
Verifies a release directory, repeats the checks that could refuse it, and pushes it to a git repository: one commit and
one annotated tag for its source commit, together or not at all. Nothing is checked out, and files that this program did
not write are left alone. To an OCI registry (oci://REGISTRY/NAME) it pushes one artifact, and moves the tag "latest" last.
Deploying the same source commit again does nothing.

A token for https and for registries is taken from the environment variable UNIKERNEL_DEPLOY_TOKEN or from the URL; it
never stands in argv of git or in a file. For a registry, what docker login left (~/.docker/config.json) does as well.`,
  options: {
    release: { value: "DIR", required: true, help: "release directory that build wrote" },
    repository: { value: "URL", help: "owner/name, https://…, ssh://…, git@host:…, oci://…, or a path" },
    branch: { value: "NAME", help: "branch of the deployment repository (default: main); in a registry another tag" },
    path: { value: "DIR", help: "directory in it, where several sites share one git repository" },
    layout: { value: "image|files", help: "store volumes as images or as the site's files (default: image)" },
    "ssh-key": { value: "FILE", help: "private key (deploy key) for ssh" },
    "known-hosts": { value: "FILE", help: "host keys for ssh servers other than github.com" },
    "signing-key": {
      value: "FILE",
      help: "private ed25519 key that signs the manifest, or the public half of one that an ssh-agent holds",
    },
    attestation: {
      value: "FILE",
      help: "registries: Sigstore bundles to attach to the release, also to one deployed before",
    },
    runnable: { help: "registries: also push an OCI image of each kernel with its volume, as urunc runs it" },
    history: { value: "N", help: "keep only the last N deployments (default: all)" },
    config: { value: "FILE", help: "configuration (default: unikernel.yml where there is one)" },
    force: { help: "deploy even another build of a deployed commit, or an older commit; moves its tag" },
    "dry-run": { help: "do everything but the push" },
    "no-cache": { help: "neither use nor keep what the last deploy saw of the repository" },
  },
  positionals: [],
  examples: [
    "unikernel-deploy deploy --release release --repository mirage/www-deployment",
    "unikernel-deploy deploy --release release --repository git@example.org:www.git --ssh-key key --known-hosts hosts",
    "unikernel-deploy deploy --release release --repository oci://ghcr.io/mirage/www",
  ],
  async run(args, io) {
    const raw = {
      repository: args.text("repository"),
      branch: args.text("branch"),
      path: args.text("path"),
      layout: args.text("layout"),
      runnable: args.flag("runnable") || undefined,
      history: args.text("history"),
    };
    const config = readConfig(readConfigFile(args.text("config"), io.directory), raw, flagStyle);
    const { repository } = config.deploy;
    if (repository === undefined) {
      throw new DeployError("USAGE", "--repository: missing", {
        hint: "give --repository, or deploy.repository in unikernel.yml",
      });
    }
    using opened = await openDestination({
      ...io,
      repository,
      settings: config.deploy,
      attestation: readNamedFile(args.text("attestation"), io.directory),
      cache: args.flag("no-cache") ? undefined : memoryDirectory(io.env),
      token: io.env.UNIKERNEL_DEPLOY_TOKEN,
      sshKey: readNamedFile(args.text("ssh-key"), io.directory),
      knownHosts: readNamedFile(args.text("known-hosts"), io.directory),
    });
    const publish = await publishOptions({
      ...io,
      layout: config.deploy.layout,
      force: args.flag("force"),
      dryRun: args.flag("dry-run"),
      signingKey: readNamedFile(args.text("signing-key"), io.directory),
    });
    const { destination } = opened;
    const release = { kind: "given", directory: args.text("release") as string } as const;
    const plan = { release, deploy: true, reason: "deploy deploys" };
    return answerRun(await run(plan, config, { ...io, tools: {}, destination, publish }), io);
  },
};
