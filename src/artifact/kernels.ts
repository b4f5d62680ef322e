/** From what the user calls the kernels to kernel artifacts. */
import { copyFileSync, type Stats, statSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { inspectKernel } from "../kernel/kernel.ts";
import { ioError, isSystemError, openFile } from "../util/files.ts";
import type { KernelArtifact } from "./artifact.ts";
import { digestFile } from "./scan-image.ts";

/** Characters that need no quoting in a shell, in SHA256SUMS or in a tender's argument. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/;

/**
 * The files that `patterns` (paths or globs, relative to `directory`) name. Throws KERNEL_MISSING listing every pattern
 * that names none, and KERNEL_UNREADABLE where two files would have one name in the release.
 */
export async function findKernels(patterns: readonly string[], directory: string): Promise<string[]> {
  const problems: string[] = [];
  const files = new Set<string>();
  for (const pattern of patterns) {
    const found = await expand(pattern, directory);
    if (found.length === 0) problems.push(`${pattern}: no such file`);
    for (const file of found) files.add(file);
  }
  if (problems.length > 0 || files.size === 0) {
    throw new DeployError("KERNEL_MISSING", files.size === 0 ? "no kernel was found" : "some kernels are missing", {
      problems,
      hint: "name what the build leaves, for example dist/www.hvt or dist/*.hvt; does the build end without an error?",
    });
  }
  checkNames([...files]);
  return [...files];
}

async function expand(pattern: string, directory: string): Promise<string[]> {
  const literal = path.resolve(directory, pattern);
  const stat = statOf(literal);
  if (stat?.isFile()) return [literal];
  if (stat)
    throw new DeployError("KERNEL_UNREADABLE", `${pattern} is not a regular file`, { hint: "a kernel is one file" });
  if (!/[*?[{]/.test(pattern)) return [];
  const { glob } = await import("../util/glob.ts");
  return (await glob(pattern, { cwd: directory, absolute: true, onlyFiles: true })).sort();
}

/** Undefined where a path leads to nothing, whatever keeps it from leading there. */
function statOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG")) return undefined;
    throw ioError(`cannot read ${file}`, error);
  }
}

function checkNames(files: readonly string[]): void {
  const problems: string[] = [];
  const byName = new Map<string, string>();
  for (const file of files) {
    const name = path.basename(file);
    const other = byName.get(name);
    if (other) problems.push(`${other} and ${file} would both be kernels/${name}`);
    if (!FILE_NAME.test(name))
      problems.push(`${JSON.stringify(name)}: a kernel's name has letters, digits, "._+-" (at most 100)`);
    byName.set(name, file);
  }
  if (problems.length === 0) return;
  throw new DeployError("KERNEL_UNREADABLE", "the kernels cannot be stored under their names", {
    problems,
    hint: "rename what the build leaves, one name for each target",
  });
}

/** Copies a kernel into `directory`, then digests and inspects the copy: what ships is what was looked at. */
export function copyKernel(file: string, directory: string): KernelArtifact {
  const copy = path.join(directory, path.basename(file));
  try {
    copyFileSync(file, copy);
  } catch (error) {
    throw ioError(`cannot copy ${file}`, error);
  }
  return readKernel(copy);
}

/** Digests and inspects a kernel where it is. */
export function readKernel(file: string): KernelArtifact {
  using source = openFile(file);
  return { file, ...digestFile(file), info: inspectKernel(source) };
}
