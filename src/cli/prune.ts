/** The verb `prune`. */
import { pruneDestination } from "../destination/open.ts";
import { DeployError } from "../errors.ts";
import { count } from "../util/size.ts";
import type { Command } from "./command.ts";
import { readNamedFile } from "./config-file.ts";

export const prune: Command = {
  usage: "--repository URL --history N [--branch main] [--dry-run]",
  about: `
Keeps the last N deployments of a deployment repository's branch and lets the server forget the older ones, tags included.
Branch and tags move in one push or not at all; the newest release is there at every moment. Hosts follow as before.
In a registry (oci://…) the tags of older releases are deleted, where it allows that; the newest keeps its own.
The server gives the space back when it next collects garbage.`,
  options: {
    repository: {
      value: "URL",
      required: true,
      help: "owner/name, https://…, ssh://…, git@host:…, oci://…, or a path",
    },
    history: { value: "N", required: true, help: "deployments to keep, 1 or more" },
    branch: { value: "NAME", help: "branch of the deployment repository (default: main)" },
    "ssh-key": { value: "FILE", help: "private key (deploy key) for ssh" },
    "known-hosts": { value: "FILE", help: "host keys for ssh servers other than github.com" },
    "dry-run": { help: "say what would go, change nothing" },
  },
  positionals: [],
  examples: ["unikernel-deploy prune --repository mirage/www-deployment --history 50 --dry-run"],
  async run(args, io) {
    const history = Number(args.text("history"));
    if (!Number.isSafeInteger(history) || history < 1) {
      throw new DeployError("USAGE", `--history: expected a whole number of 1 or more, found ${args.text("history")}`);
    }
    const dryRun = args.flag("dry-run");
    const pruned = await pruneDestination({
      ...io,
      repository: args.text("repository") as string,
      branch: args.text("branch") ?? "main",
      history,
      dryRun,
      token: io.env.UNIKERNEL_DEPLOY_TOKEN,
      sshKey: readNamedFile(args.text("ssh-key"), io.directory),
      knownHosts: readNamedFile(args.text("known-hosts"), io.directory),
    });
    const { kept, removedTags, changed } = pruned;
    const what = changed
      ? `${dryRun ? "would keep" : "kept"} ${count(kept.length, "deployment")}, ${count(removedTags.length, "tag")} gone`
      : `nothing to do: ${count(kept.length, "deployment")} there`;
    io.answer({ ...pruned, dryRun }, [what, ...removedTags.map((tag) => `  ${tag}`)].join("\n"));
    return 0;
  },
};
