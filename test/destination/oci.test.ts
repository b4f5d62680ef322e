/** Deploying to an OCI registry, as its other users see it. The judges are docker's registry, skopeo and sha256sum. */
import assert from "node:assert/strict";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ociDestination, type OciDestinationOptions } from "../../src/destination/oci/destination.ts";
import { decodeArtifact } from "../../src/destination/oci/artifact.ts";
import { pruneRegistry } from "../../src/destination/oci/retention.ts";
import { tagNames } from "../../src/destination/oci/tags.ts";
import { DeployError } from "../../src/errors.ts";
import { isDataVolume } from "../../src/manifest/schema.ts";
import { openRegistry } from "../../src/registry/registry.ts";
import { type Log, silentLog } from "../../src/util/log.ts";
import { output, run } from "../support/process.ts";
import { noRegistry, startRegistry, type TestRegistry } from "../support/registry.ts";
import { tempDir } from "../support/temp.ts";
import { buildRelease } from "../support/release.ts";
import { killRegistry } from "./oci-killing.ts";
import { assertOrder, commitAt, options, releaseAt } from "./contract.ts";

const NAME = "site/www";
const clientOf = (server: TestRegistry, log: Log = silentLog) =>
  openRegistry({ address: server.address(NAME), env: {}, log });
const destinationIn = (server: TestRegistry, more: Partial<OciDestinationOptions> = {}) =>
  ociDestination({
    registry: clientOf(server, more.log),
    branch: "main",
    log: silentLog,
    random: Math.random,
    ...more,
  });
const newestOf = async (server: TestRegistry, tag = "latest") => {
  const stored = await clientOf(server).readManifest(tag);
  return stored && decodeArtifact(stored.bytes, tag);
};
const fails = (code: string) => (error: unknown) => error instanceof DeployError && error.code === code;

/** Bytes that no two files share, and that are the same in every run. */
function noise(seed: string, size: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

const MIB = 1024 * 1024;

/** A release of so many pages of 512 KiB, of which some are others than usual. */
async function largeRelease(directory: string, place: number, changed: Readonly<Record<string, Buffer>>) {
  const pages = Array.from({ length: 130 }, (_, i) => `pages/${String(i).padStart(3, "0")}.bin`);
  const files = Object.fromEntries(pages.map((page) => [page, changed[page] ?? noise(page, MIB / 2)]));
  const release = await buildRelease(path.join(directory, String(place)), {
    kernels: { "www.hvt": noise("kernel", MIB) },
    sites: { data: files },
    devices: { data: "storage" },
  });
  const source = {
    commit: commitAt(place),
    committedAt: "2026-01-01T00:00:00Z",
    repository: "https://example.org/www",
  };
  return { ...release, manifest: { ...release.manifest, source } };
}

/** Pulls a release by digest with skopeo; the files of it by path. */
async function pull(server: TestRegistry, digest: string, directory: string): Promise<Map<string, string>> {
  const layout = path.join(directory, "layout");
  const from = `docker://${server.host}/${NAME}@${digest}`;
  await output("skopeo", ["--insecure-policy", "copy", "--src-tls-verify=false", from, `oci:${layout}:www`]);
  const blob = (name: string) => path.join(layout, "blobs", "sha256", name.slice("sha256:".length));
  const index = JSON.parse(await readFile(path.join(layout, "index.json"), "utf8")) as {
    manifests: { digest: string }[];
  };
  assert.equal(index.manifests[0]?.digest, digest);
  const { layers } = decodeArtifact(await readFile(blob(digest)), digest);
  return new Map(layers.map(({ path: at, digest: of }) => [at, blob(of)]));
}

describe("a registry", { skip: noRegistry }, () => {
  test("sends one part of a volume for one page, and gives every byte back", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    const first = await largeRelease(dir.path, 1, {});
    await destinationIn(server).publish(first, options());
    server.reset();
    // The page grows, and all that stands behind it in the image moves.
    const grown = await largeRelease(dir.path, 2, { "pages/050.bin": noise("grown", MIB / 2 + 5000) });
    const published = await destinationIn(server).publish(grown, options());
    assert.equal(published.outcome, "deployed");
    const sent = server.bytesIn();
    assert.ok(sent <= 32 * MIB + 256 * 1024, `${sent} bytes`);
    server.reset();
    assert.equal((await destinationIn(server).publish(grown, options())).outcome, "unchanged");
    assert.equal(server.bytesIn(), 0);

    const files = await pull(server, published.revision as string, dir.path);
    const tree = dir.join("tree");
    for (const [at, file] of files) {
      await mkdir(path.dirname(path.join(tree, at)), { recursive: true });
      await writeFile(path.join(tree, at), await readFile(file));
    }
    const sums = await run("sha256sum", ["--strict", "-c", "SHA256SUMS"], { cwd: tree });
    assert.equal(sums.code, 0, sums.stderr);
    const parts = published.manifest.volumes.filter(isDataVolume).flatMap((volume) => volume.parts ?? []);
    assert.ok(parts.length >= 3);
    const image = Buffer.concat(await Promise.all(parts.map((part) => readFile(path.join(tree, part.path)))));
    assert.ok(image.equals(await readFile(grown.volumes[0]?.file as string)), "the parts are not the image");
    assert.ok((await readFile(path.join(tree, "kernels/www.hvt"))).equals(noise("kernel", MIB)));
    assert.deepEqual(JSON.parse(await readFile(path.join(tree, "manifest.json"), "utf8")), published.manifest);
  });

  test("has the same artifact for the same release, with no time in it but the commit's", async () => {
    await using dir = await tempDir("oci");
    const digests = [];
    for (const name of ["a", "b"]) {
      await using server = await startRegistry();
      await mkdir(dir.join(name));
      const { revision } = await destinationIn(server).publish(await releaseAt(dir.join(name), 1), options());
      digests.push(revision);
      const raw = await output("skopeo", [
        "inspect",
        "--raw",
        "--tls-verify=false",
        `docker://${server.host}/${NAME}:latest`,
      ]);
      const manifest = JSON.parse(raw) as { config: object; layers: { annotations: object }[]; annotations: object };
      assert.deepEqual(manifest.annotations, {
        "org.opencontainers.image.created": "2026-01-01T00:01:00Z",
        "org.opencontainers.image.revision": commitAt(1),
        "vnd.unikernel-deploy.name": "www",
        "vnd.unikernel-deploy.sequence": "1",
      });
      assert.deepEqual(manifest.layers[0]?.annotations, { "org.opencontainers.image.title": "manifest.json" });
      const tags = await output("skopeo", ["list-tags", "--tls-verify=false", `docker://${server.host}/${NAME}`]);
      assert.deepEqual((JSON.parse(tags) as { Tags: string[] }).Tags.sort(), [
        "latest",
        `sequence-1-${commitAt(1)}`,
        `source-${commitAt(1)}`,
      ]);
    }
    assert.equal(digests[0], digests[1]);
  });

  test("keeps sixteen deploys at once in order", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    const releases = [];
    for (let place = 1; place <= 16; place++) releases.push(await releaseAt(dir.path, place));
    const all = await Promise.all(releases.map((release) => destinationIn(server).publish(release, options())));
    assert.equal((await newestOf(server))?.commit, commitAt(16));
    assertOrder(all);
    const sources = [...tagNames("main").sources(await clientOf(server).tags())].sort();
    const decided = await Promise.all(sources.map((commit) => newestOf(server, `source-${commit}`)));
    const numbers = decided.map((release) => release?.sequence as number);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
  });

  test("has the newest put right after a slow writer of an older one", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    const isMove = ({ method, path: at }: { method: string; path: string }) =>
      method === "PUT" && at === `/v2/${NAME}/manifests/latest`;
    // The older one's tag takes some seconds on its way to the registry.
    server.fault = (request) => (isMove(request) ? { bytesPerSecond: 1000, direction: "request" } : undefined);
    const older = destinationIn(server).publish(await releaseAt(dir.path, 1), options());
    while (!server.requests.some(isMove)) await sleep(10);
    server.fault = undefined;
    const newer = await destinationIn(server).publish(await releaseAt(dir.path, 2), options());
    assert.equal(newer.outcome, "deployed");
    assert.equal(server.requests.find(isMove)?.status, undefined, "the slow write was not slow enough");
    assert.equal((await older).outcome, "deployed");
    assert.equal((await newestOf(server))?.commit, commitAt(2));
    assert.ok(server.requests.filter(isMove).length >= 3, "nobody had to put anything right");
  });

  test("is made good by the next deploy after one that broke off before the end", async () => {
    for (const next of [1, 2]) {
      await using server = await startRegistry();
      await using dir = await tempDir("oci");
      const first = await releaseAt(dir.path, 1);
      server.fault = ({ method, path: at }) =>
        method === "PUT" && at.endsWith("/latest") ? { status: 403 } : undefined;
      await assert.rejects(destinationIn(server).publish(first, options()), fails("REPOSITORY_DENIED"));
      assert.equal(await newestOf(server), undefined);
      server.fault = undefined;
      const published = await destinationIn(server).publish(await releaseAt(dir.path, next), options());
      assert.equal(published.outcome, "deployed");
      assert.equal(published.manifest.sequence, next);
      assert.equal((await newestOf(server))?.commit, commitAt(next));
    }
  });

  test("has a tag of its own for each branch", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    const release = await releaseAt(dir.path, 1);
    const staging = await destinationIn(server, { branch: "staging" }).publish(release, options());
    const main = await destinationIn(server).publish(release, options());
    assert.deepEqual([staging.manifest.sequence, main.manifest.sequence], [1, 1]);
    assert.notEqual(staging.revision, main.revision);
    await destinationIn(server).publish(await releaseAt(dir.path, 2), options());
    assert.equal((await newestOf(server, "staging"))?.commit, commitAt(1));
    assert.equal((await newestOf(server))?.sequence, 2);
    for (const branch of ["latest", "source-x", "feature/x", "runnable", "x".repeat(40)]) {
      assert.throws(() => destinationIn(server, { branch }), fails("CONFIG_INVALID"), branch);
    }
  });

  test("keeps as many releases as asked, where it lets tags be deleted", async () => {
    await using server = await startRegistry({ deletable: true });
    await using dir = await tempDir("oci");
    const staging = await releaseAt(dir.path, 1);
    await destinationIn(server, { branch: "staging" }).publish(staging, options());
    for (let place = 1; place <= 5; place++) {
      await destinationIn(server, { history: 2 }).publish(await releaseAt(dir.path, place), options());
    }
    const tags = [...(await clientOf(server).tags())].sort();
    assert.deepEqual(tags, [
      "latest",
      `sequence-4-${commitAt(4)}`,
      `sequence-5-${commitAt(5)}`,
      `sequence-staging-1-${commitAt(1)}`,
      `source-${commitAt(4)}`,
      `source-${commitAt(5)}`,
      `source-staging-${commitAt(1)}`,
      "staging",
    ]);
    assert.equal((await destinationIn(server).publish(await releaseAt(dir.path, 6), options())).manifest.sequence, 6);
  });

  test("says so where it does not, and is deployed to all the same", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    const warnings: string[] = [];
    const log = { ...silentLog, warning: (text: string) => void warnings.push(text) };
    for (let place = 1; place <= 2; place++) {
      const published = await destinationIn(server, { history: 1, log }).publish(
        await releaseAt(dir.path, place),
        options(),
      );
      assert.equal(published.outcome, "deployed");
    }
    assert.match(warnings.join("\n"), /not cut to 1 .*does not let tags be deleted/);
    const pruning = { registry: clientOf(server), log: silentLog };
    const planned = await pruneRegistry(pruning, tagNames("main"), { history: 1, dryRun: true });
    assert.deepEqual(planned.kept, [commitAt(2)]);
    await assert.rejects(
      pruneRegistry(pruning, tagNames("main"), { history: 1, dryRun: false }),
      (error: unknown) => fails("PUSH_REJECTED")(error) && /retention/.test((error as DeployError).hint ?? ""),
    );
  });

  test("gets a release anew by force where it has lost the newest one's files", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    await destinationIn(server).publish(await releaseAt(dir.path, 1), options());
    const manifest = (await newestOf(server))?.layers[0]?.digest.slice("sha256:".length) ?? "";
    const blob = path.join(server.storage, "docker/registry/v2/blobs/sha256", manifest.slice(0, 2), manifest, "data");
    await writeFile(blob, randomBytes((await readFile(blob)).length));
    const next = await releaseAt(dir.path, 2);
    await assert.rejects(destinationIn(server).publish(next, options()), fails("DIGEST_MISMATCH"));
    const forced = await destinationIn(server).publish(next, options({ force: true }));
    assert.equal(forced.manifest.sequence, 2);
    assert.deepEqual(await destinationIn(server).deployed(), forced.manifest);
  });

  test("may be killed at any moment, and has the newest release, whole", async () => {
    const { problems, rodeOn, repeated } = await killRegistry(5);
    assert.deepEqual(problems, []);
    assert.equal(rodeOn + repeated, 5);
  });

  test("is sent a blob again that it took half note of when it was killed", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    const release = await releaseAt(dir.path, 1);
    await destinationIn(server).publish(release, options());
    const kernel = (await newestOf(server))?.layers.find(({ path: at }) => at.startsWith("kernels/"))?.digest ?? "";
    const layers = path.join(server.storage, "docker/registry/v2/repositories/site/www/_layers/sha256");
    await truncate(path.join(layers, kernel.slice("sha256:".length), "link"));
    const published = await destinationIn(server).publish(await releaseAt(dir.path, 2), options());
    assert.equal(published.outcome, "deployed");
    assert.ok((await readFile(path.join(layers, kernel.slice("sha256:".length), "link"))).length > 0);
  });

  test("takes no layout files", async () => {
    await using server = await startRegistry();
    await using dir = await tempDir("oci");
    const release = await releaseAt(dir.path, 1);
    await assert.rejects(destinationIn(server).publish(release, options({ layout: "files" })), fails("CONFIG_INVALID"));
  });
});
