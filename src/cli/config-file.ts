/** Which configuration file a verb uses. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { DeployError, messageOf } from "../errors.ts";
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
    throw fileError(named ?? DEFAULT, directory, error);
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
    throw fileError(named, directory, error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "EISDIR: a directory, where a file is needed",
  ENOTDIR: "ENOTDIR: a part of that path is a file, not a directory",
  EACCES: "EACCES: permission denied; whose is it, and what is its mode?",
};

function fileError(file: string, directory: string, error: unknown): DeployError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return new DeployError("USAGE", `${file}: ${REASONS[code] ?? messageOf(error)}`, {
    hint: path.isAbsolute(file) ? undefined : `check the path; it is relative to ${directory}`,
    cause: error,
  });
}
