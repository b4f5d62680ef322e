/** The directories of a runner. */
import { mkdir, readdir } from "node:fs/promises";
import { join, relative } from "node:path";

/** Where the runner keeps things; its own files are below RUNNER_TEMP, as on a real one. */
export interface Layout {
  readonly home: string;
  readonly temp: string;
  readonly toolCache: string;
  readonly workspace: string;
  readonly event: string;
  readonly commands: string;
}

const RUNNER_FILES = ["_github_workflow", "_runner_file_commands"];

/** Make the directories below `scratch`, but for those that the test brings along. */
export async function makeLayout(
  scratch: string,
  { workspace, runnerTemp }: { readonly workspace?: string; readonly runnerTemp?: string },
): Promise<Layout> {
  const temp = runnerTemp ?? join(scratch, "work", "_temp");
  const layout = {
    home: join(scratch, "home"),
    temp,
    toolCache: join(scratch, "toolcache"),
    workspace: workspace ?? join(scratch, "work", "site"),
    event: join(temp, "_github_workflow", "event.json"),
    commands: join(temp, "_runner_file_commands"),
  };
  const { home, toolCache, workspace: checkout, event, commands } = layout;
  for (const directory of [home, toolCache, checkout, join(event, ".."), commands]) {
    await mkdir(directory, { recursive: true });
  }
  return layout;
}

/** What others than the runner left: files and empty directories, as `home/…` and `temp/…`, sorted. */
export async function leftovers({ home, temp }: Layout): Promise<string[]> {
  const found = [...(await list(home, "home")), ...(await list(temp, "temp"))];
  return found.filter((path) => !RUNNER_FILES.includes(path.split("/")[1] ?? "")).toSorted();
}

async function list(directory: string, name: string): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory() && (await readdir(path)).length > 0) continue;
    paths.push(`${name}/${relative(directory, path)}${entry.isDirectory() ? "/" : ""}`);
  }
  return paths;
}
