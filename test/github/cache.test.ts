/** The cache around a build, against a stand-in of GitHub's service: whatever it does, the build is what counts. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { runAction } from "../support/action-runner.ts";
import { type CacheServiceOptions, cacheService } from "../support/cache-service.ts";
import { git, run } from "../support/process.ts";
import { newProject, type Project, ROOT } from "../support/project.ts";

const BUILD = "test -f kept/file && echo found it; mkdir -p kept && echo x > kept/file";

async function act(
  project: Project,
  env: Readonly<Record<string, string>>,
  inputs: Readonly<Record<string, string>> = {},
) {
  return runAction({
    directory: ROOT,
    workspace: project.source,
    runnerTemp: project.directory.join("temp"),
    inputs: { mode: "build", kernel: "www.hvt", data: "site", build: BUILD, cache: "kept", ...inputs },
    context: { sha: await git(project.source, "rev-parse", "HEAD"), repository: "mirage/www" },
    env,
  });
}

/** Two runs on two machines: what the first one kept is there in the second only through the cache. */
async function twice(options: CacheServiceOptions, inputs: Readonly<Record<string, string>> = {}) {
  await using project = await newProject();
  await using cache = await cacheService(options);
  const first = await act(project, cache.env, inputs);
  await run("rm", ["-rf", path.join(project.source, "kept")]);
  const second = await act(project, cache.env);
  return { first, second, entries: cache.entries.length };
}

describe("the cache", () => {
  test("carries what the build made to the next one, and saves nothing twice", async () => {
    const { second, entries } = await twice({});
    assert.match(second.log, /^found it$/m);
    assert.equal(entries, 1);
  });

  test("of another key serves where the lock files changed, and a new one is saved", async () => {
    await using project = await newProject();
    await using cache = await cacheService();
    await act(project, cache.env);
    await writeFile(path.join(project.source, "site.opam.locked"), "depends: []\n");
    await run("rm", ["-rf", path.join(project.source, "kept")]);
    const second = await act(project, cache.env);
    assert.match(second.log, /^found it$/m);
    assert.equal(new Set(cache.entries.map(({ key }) => key)).size, 2);
  });

  test("is not saved by a failed build, unless that is asked for", async () => {
    const fails = { build: "mkdir -p kept && echo x > kept/file && exit 1" };
    const plain = await twice({}, fails);
    assert.equal(plain.first.conclusion, "failure");
    assert.doesNotMatch(plain.second.log, /^found it$/m);
    const asked = await twice({}, { ...fails, "cache-on-failure": "true" });
    assert.equal(asked.first.conclusion, "failure");
    assert.match(asked.first.annotations.map(({ message }) => message).join(), /BUILD_FAILED/);
    assert.match(asked.second.log, /^found it$/m);
  });

  for (const [what, options] of Object.entries<CacheServiceOptions>({
    "that nobody may write": { fault: ({ call }) => (call === "CreateCacheEntry" ? 403 : undefined) },
    "that cannot be read": { fault: ({ call }) => (call === "GetCacheEntryDownloadURL" ? 403 : undefined) },
    "that refuses everything": { fault: () => 403 },
    "that loses what is uploaded": { fault: ({ call }) => (call === "FinalizeCacheEntryUpload" ? 400 : undefined) },
  })) {
    test(`${what} fails nothing`, async () => {
      const { first, second } = await twice(options);
      assert.equal(first.conclusion, "success", first.log);
      assert.equal(second.conclusion, "success", second.log);
    });
  }

  test("whose archive is broken fails nothing", async () => {
    await using project = await newProject();
    await using cache = await cacheService();
    await act(project, cache.env);
    for (const { archive } of cache.entries) archive.fill(0);
    await run("rm", ["-rf", path.join(project.source, "kept")]);
    const second = await act(project, cache.env);
    assert.equal(second.conclusion, "success", second.log);
    assert.equal(await readFile(path.join(project.source, "kept/file"), "utf8"), "x\n");
  });

  test("that is not there at all fails nothing", async () => {
    await using project = await newProject();
    const result = await act(project, { ACTIONS_CACHE_SERVICE_V2: "1" });
    assert.equal(result.conclusion, "success", result.log);
  });
});
