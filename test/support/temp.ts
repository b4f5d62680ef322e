/** Directories that last as long as the test that asked for them. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A directory that is removed, with all it holds, when disposed. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** A path inside the directory. */
  join(...segments: string[]): string;
}

/** Make an empty directory for one test: `await using dir = await tempDir("deploy")`. */
export async function tempDir(prefix = "test"): Promise<TempDir> {
  const path = await mkdtemp(join(await realpath(tmpdir()), `${prefix}-`));
  return {
    path,
    join: (...segments) => join(path, ...segments),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Write files below `dir`, making the directories they need; the keys are paths relative to it. */
export async function writeTree(dir: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(dir, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}
