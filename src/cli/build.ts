/** The verb `build`. */
import { readConfig } from "../inputs/config.ts";
import { configError } from "../inputs/config-error.ts";
import { flagStyle } from "../inputs/raw.ts";
import type { Config } from "../inputs/schema.ts";
import { answerRun } from "./answer.ts";
import type { Command } from "./command.ts";
import { readConfigFile } from "./config-file.ts";
import { run } from "../run.ts";

export const build: Command = {
  usage:
    "[--config F] | --kernel F… --data [NAME=]DIR… [--name N] [--command CMD] [--format tar] [--device D] --out DIR",
  about: `
Runs your build command, if there is one, then writes a release directory: each kernel, a block image of each data
directory, manifest.json and report.json. Every check that executes nothing is run; an error finding gives exit code 1,
with the release still there to look at. Options win over unikernel.yml, which is read where there is one.`,
  options: {
    config: { value: "FILE", help: "configuration (default: unikernel.yml where there is one)" },
    kernel: { value: "FILE", multiple: true, help: "kernel that the build leaves; a path or a glob, one or more" },
    data: {
      value: "[NAME=]DIR",
      multiple: true,
      help: 'directory to make a volume from; its name is "data" unless given',
    },
    name: { value: "NAME", help: "name of the site (default: the kernel's file name without its ending)" },
    command: { value: "COMMAND", help: "shell command that builds the site and the kernel" },
    format: { value: "FORMAT", help: "image format of the volume (default: tar)" },
    device: { value: "NAME", help: "block device of the volume (default: the kernel's, where it declares one)" },
    out: { value: "DIR", required: true, help: "where the release goes; an older release there is replaced" },
  },
  positionals: [],
  examples: [
    "unikernel-deploy build --kernel dist/www.hvt --data _site --out release",
    "unikernel-deploy build --config unikernel.yml --out release --json",
  ],
  async run(args, io) {
    const config = readConfig(
      readConfigFile(args.text("config"), io.directory),
      {
        name: args.text("name"),
        build: args.text("command"),
        kernel: args.list("kernel"),
        data: args.list("data"),
        format: args.text("format"),
        device: args.text("device"),
      },
      flagStyle,
    );
    requireKernels(config);
    const out = args.text("out") as string;
    const plan = { release: { kind: "build", out }, deploy: false, reason: "build only builds" } as const;
    const result = await run(plan, config, { ...io, tools: { "unikernel-deploy": io.version } });
    return answerRun(result, io);
  },
};

function requireKernels(config: Config): void {
  if (config.kernels.length > 0) return;
  throw configError(["--kernel: missing: name what the build leaves, or list it under kernels: in unikernel.yml"]);
}
