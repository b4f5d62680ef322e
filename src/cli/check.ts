/** The verb `check`. */
import { readConfig } from "../inputs/config.ts";
import { flagStyle } from "../inputs/raw.ts";
import { run } from "../run.ts";
import { answerRun } from "./answer.ts";
import type { Command } from "./command.ts";
import { readConfigFile } from "./config-file.ts";

export const check: Command = {
  usage: "--release DIR [--boot TENDER|required] [--ignore ID[:PATH]]…",
  about: `
Verifies every digest of a release directory and runs every check that executes nothing on it. With --boot, or checks.boot
in the configuration, it then boots the kernels with their images attached, fetches every page and compares every byte.
Exit code 1 when a check finds an error, 4 when the directory is not what its manifest says. docs/checks/ has a page for
each check.`,
  options: {
    release: { value: "DIR", required: true, help: "release directory that build wrote" },
    config: { value: "FILE", help: "configuration (default: unikernel.yml where there is one)" },
    boot: {
      value: "TENDER|required",
      help: "boot it: auto, qemu, solo5-hvt, solo5-spt, unix, command; required makes it an error when nothing can",
    },
    ignore: {
      value: "ID[:PATH]",
      multiple: true,
      help: "live with the findings of a check, or with those about one path",
    },
  },
  positionals: [],
  examples: [
    "unikernel-deploy check --release release",
    "unikernel-deploy check --release release --boot auto",
    "unikernel-deploy check --release release --ignore release-size",
  ],
  async run(args, io) {
    const config = readConfig(
      readConfigFile(args.text("config"), io.directory),
      { ignore: args.list("ignore"), boot: args.text("boot") },
      flagStyle,
    );
    const release = { kind: "given", directory: args.text("release") as string } as const;
    const plan = { release, deploy: false, boot: config.checks.boot !== undefined, reason: "check only checks" };
    const result = await run(plan, config, { ...io, tools: {} });
    return answerRun(result, io);
  },
};
