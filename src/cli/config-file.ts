/** Which configuration file a verb uses. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import type { ConfigText } from "../inputs/config.ts";
import { isSystemError } from "../util/files.ts";

const DEFAULT = "unikernel.yml";

/** The file named, or unikernel.yml where there is one. Throws USAGE for a named file that cannot be read. */
export function readConfigFile(named: string | undefined, directory: string): ConfigText | undefined {
  try {
    return { name: named ?? DEFAULT, text: readFileSync(path.resolve(directory, named ?? DEFAULT), "utf8") };
  } catch (error) {
    if (named === undefined && isSystemError(error, "ENOENT")) {
      refuseMisnamed(directory);
      return undefined;
    }
    throw fileError(named ?? DEFAULT, error);
  }
}

/** Names that people and editors give it. To pass over such a file would be to build something else than was asked for. */
const MISNAMED = ["unikernel.yaml", ".unikernel.yml", ".unikernel.yaml", "unikernel.json", "unikernel-deploy.yml"];

function refuseMisnamed(directory: string): void {
  const found = MISNAMED.find((name) => existsSync(path.resolve(directory, name)));
  if (found === undefined) return;
  throw new DeployError("USAGE", `${found} is not read: the configuration is called ${DEFAULT}`, {
    hint: `rename it to ${DEFAULT}, or name it: --config ${found} (in a workflow, the input config)`,
  });
}

/** A text file that an option names, such as a key; undefined where the option was not given. */
export function readNamedFile(named: string | undefined, directory: string): string | undefined {
  if (named === undefined) return undefined;
  try {
    return readFileSync(path.resolve(directory, named), "utf8");
  } catch (error) {
    throw fileError(named, error);
  }
}

function fileError(file: string, error: unknown): DeployError {
  const why = isSystemError(error, "ENOENT") ? "no such file" : error instanceof Error ? error.message : "";
  return new DeployError("USAGE", `${file}: ${why}`, {
    hint: "check the path; it is relative to the current directory",
    cause: error,
  });
}
