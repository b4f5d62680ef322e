/** The verb `check`. */
import { readConfig } from "../inputs/config.ts";
import { flagStyle } from "../inputs/raw.ts";
import { run } from "../run.ts";
import { answerRun } from "./answer.ts";
import type { Command } from "./command.ts";
import { readConfigFile } from "./config-file.ts";

export const check: Command = {
  usage: "--release DIR [--ignore ID[:PATH]]…",
  about: `
Verifies every digest of a release directory and runs every check that executes nothing on it. Exit code 1 when a check
finds an error, 4 when the directory is not what its manifest says. docs/checks/ has a page for each check.`,
  options: {
    release: { value: "DIR", required: true, help: "release directory that build wrote" },
    config: { value: "FILE", help: "configuration (default: unikernel.yml where there is one)" },
    ignore: {
      value: "ID[:PATH]",
      multiple: true,
      help: "live with the findings of a check, or with those about one path",
    },
  },
  positionals: [],
  examples: [
    "unikernel-deploy check --release release",
    "unikernel-deploy check --release release --ignore release-size",
  ],
  async run(args, io) {
    const config = readConfig(
      readConfigFile(args.text("config"), io.directory),
      { ignore: args.list("ignore") },
      flagStyle,
    );
    const release = { kind: "given", directory: args.text("release") as string } as const;
    const result = await run({ release, deploy: false, reason: "check only checks" }, config, { ...io, tools: {} });
    return answerRun(result, io);
  },
};
