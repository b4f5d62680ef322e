/** Where in the checkout a finding's file is, so that an annotation stands beside the lines that a reviewer reads. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Config } from "../inputs/schema.ts";

/** Maps a path in a volume to one in the checkout; undefined for files that the build makes elsewhere. */
export function locator(config: Config, workspace: string): (file: string) => string | undefined {
  const directories = Object.values(config.volumes).flatMap(({ from }) => (from === undefined ? [] : [from]));
  return (file) =>
    directories
      .map((directory) => path.relative(workspace, path.resolve(workspace, directory, file)))
      .find((candidate) => !candidate.startsWith("..") && existsSync(path.join(workspace, candidate)));
}
