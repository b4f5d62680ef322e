/** A host that follows an OCI registry: what registries alone can do to it, and what a look costs one. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { encodeArtifact } from "../../src/destination/oci/artifact.ts";
import type { ReleaseManifest } from "../../src/manifest/schema.ts";
import { serve } from "../support/http.ts";
import { output, run } from "../support/process.ts";
import { CLI, runCli } from "../support/project.ts";
import { HTPASSWD, noRegistry, startRegistry, type TestRegistry } from "../support/registry.ts";
import { tempDir } from "../support/temp.ts";
import { freePort, type Hosting, hosting, page, VIRTIO } from "./hosting.ts";
import { IMAGE_MANIFEST, publish, put, registryAt } from "./publishing.ts";
import { syncIn } from "./tampering.ts";

const noQemu = spawnSync("qemu-system-x86_64", ["--version"]).error ? "qemu-system-x86_64 is not installed" : false;

const follower = (registry: TestRegistry, userinfo?: string): Promise<Hosting> =>
  hosting({ kernel: VIRTIO, target: "virtio", address: () => registry.address("www", userinfo) });

/** Builds and deploys to the registry by the command line; the digest that skopeo finds under `latest`. */
async function deploy(host: Hosting, registry: TestRegistry, files: Record<string, string>): Promise<string> {
  await host.deploy(files);
  const to = ["--release", host.directory.join("release"), "--repository", registry.address("www")];
  const ran = await runCli(host.directory.join("source"), ["deploy", ...to]);
  assert.equal(ran.code, 0, ran.stderr);
  const latest = `docker://${registry.host}/www:latest`;
  const raw = await run("skopeo", ["inspect", "--raw", "--tls-verify=false", latest]);
  return `sha256:${createHash("sha256").update(raw.stdout).digest("hex")}`;
}

const current = (host: Hosting) => readlinkSync(path.join(host.state, "current"));
/** The registry's file that holds a blob. */
const blobFile = (registry: TestRegistry, digest: string) => {
  const hex = digest.slice("sha256:".length);
  return path.join(registry.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
};

/** The digest of the file with this path in a release. */
function layerOf(registry: TestRegistry, release: string, title: string): string {
  const { layers } = JSON.parse(readFileSync(blobFile(registry, release), "utf8")) as {
    layers: { digest: string; annotations: Record<string, string> }[];
  };
  const layer = layers.find(({ annotations }) => Object.values(annotations).includes(title));
  assert.ok(layer, title);
  return layer.digest;
}

describe("a host that follows a registry", { skip: noRegistry }, () => {
  test("gets what deploy pushed, and asks one question of no bytes when there is nothing new", async () => {
    await using registry = await startRegistry();
    await using host = await follower(registry);
    await host.configure("");
    const digest = await deploy(host, registry, { "index.html": "one\n" });
    const first = await host.host("sync", "--json");
    assert.equal(first.code, 0, first.stderr);
    assert.equal((JSON.parse(first.stdout) as { revision: string }).revision, digest);
    registry.reset();
    const second = await host.host("sync", "--json");
    assert.equal((JSON.parse(second.stdout) as { outcome: string }).outcome, "current");
    assert.deepEqual(
      registry.requests.map(({ method, path: at, bytesOut }) => [method, at, bytesOut]),
      [["HEAD", "/v2/www/manifests/latest", 0]],
    );
    // Of a second release only what it has of its own: no kernel, and none of the launch files.
    const next = await deploy(host, registry, { "index.html": "two\n" });
    registry.reset();
    const third = await host.host("sync", "--json");
    assert.equal((JSON.parse(third.stdout) as { revision: string }).revision, next);
    assert.deepEqual(readdirSync(path.join(host.state, "blobs")).length, 2, "the artifact manifest and manifest.json");
    // Another branch is another tag; directories there are none.
    await host.configure("branch: staging\n");
    const missing = await host.host("sync");
    assert.equal(missing.code, 3, missing.stderr);
    assert.match(missing.stderr, /RELEASE_MISSING.* has no staging yet/);
    await publish(host.repository, registry.address("www"), "staging");
    assert.equal((await host.host("sync")).code, 0);
    await host.configure("path: sites/www\n");
    assert.equal((await host.host("sync")).code, 2);
  });

  test("fetches a changed page of a large image, and not the part that it is in", async () => {
    await using registry = await startRegistry();
    await using host = await follower(registry);
    await host.configure("");
    let x = 1;
    const page = (n: number) => {
      x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
      return `${n} ${x}\n`.repeat(2000);
    };
    const site = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p/${i}.html`, page(i)]));
    await deploy(host, registry, { "index.html": "one\n", ...site });
    assert.equal((await host.host("sync")).code, 0);
    const imageOf = (release: string) => readFileSync(path.join(host.state, "releases", release, "volumes/data.img"));
    const sync = async (files: Record<string, string>) => {
      await deploy(host, registry, files);
      registry.reset();
      const ran = await host.host("sync");
      assert.equal(ran.code, 0, ran.stderr);
      const image = imageOf(path.basename(current(host)));
      const name = path.join(host.state, "releases", path.basename(current(host)), "manifest.json");
      const { volumes } = JSON.parse(readFileSync(name, "utf8")) as ReleaseManifest;
      assert.equal(createHash("sha256").update(image).digest("hex"), (volumes[0] as { sha256: string }).sha256);
      return registry.requests.reduce((sum, { bytesOut }) => sum + bytesOut, 0);
    };
    // One page longer, one of the same size, one new, one gone.
    const one = await sync({ "p/7.html": page(7).repeat(2), "p/50.html": page(50), "new.html": "new\n" });
    assert.ok(one < 300_000, `${one} bytes`);
    // An image that the disk has damaged is of no use, and does no harm.
    const damaged = path.join(host.state, "releases", path.basename(current(host)), "volumes/data.img");
    chmodSync(damaged, 0o644);
    writeFileSync(damaged, Buffer.alloc(readFileSync(damaged).length, "x"));
    assert.ok((await sync({ "p/8.html": page(8) })) > 1_000_000);
    // So is a registry that gives no ranges.
    const image = layerOf(registry, await deploy(host, registry, { "p/9.html": page(9) }), "volumes/data.img");
    let asked = 0;
    registry.fault = ({ method, path: at }) =>
      method === "GET" && at.includes(image) && asked++ === 0 ? { status: 416 } : undefined;
    assert.equal((await host.host("sync")).code, 0);
    assert.equal(asked, 2);
    assert.equal(
      `sha256:${createHash("sha256")
        .update(imageOf(path.basename(current(host))))
        .digest("hex")}`,
      image,
    );
  });

  test("refuses bytes that a registry's disk has changed, and manifests of another digest", async () => {
    await using registry = await startRegistry();
    await using host = await follower(registry);
    await host.configure("");
    await deploy(host, registry, { "index.html": "one\n" });
    assert.equal((await host.host("sync")).code, 0);
    const before = current(host);
    const digest = await deploy(host, registry, { "index.html": "two\n" });
    const artifact = readFileSync(blobFile(registry, digest));
    for (const [title, flip] of [
      // In the order in which they are fetched: what is here already is not asked for again.
      ["manifest.json", 20],
      ["kernels/www.virtio", 5000],
      // In the page that has changed: the rest of the image is put together from what is here.
      ["volumes/data.img", 513],
    ] as const) {
      const file = blobFile(registry, layerOf(registry, digest, title));
      const good = readFileSync(file);
      const bad = Buffer.from(good);
      bad[flip] = (bad[flip] as number) ^ 1;
      writeFileSync(file, bad);
      assert.equal(await syncIn(host, "state"), 4, title);
      writeFileSync(file, good.subarray(0, 100));
      assert.notEqual(await syncIn(host, "state"), 0, `${title}, cut short`);
      writeFileSync(file, good);
    }
    writeFileSync(blobFile(registry, digest), artifact.toString("utf8").replace("schemaVersion", "schemaversion"));
    rmSync(path.join(host.state, "blobs"), { recursive: true });
    const other = await host.host("sync");
    assert.equal(other.code, 4, other.stderr);
    assert.equal(current(host), before);
    writeFileSync(blobFile(registry, digest), artifact);
    const good = await host.host("sync");
    assert.equal(good.code, 0, good.stderr);
    assert.notEqual(current(host), before);
  });

  test("refuses what no deploy could have pushed", async () => {
    await using registry = await startRegistry();
    await using host = await follower(registry);
    await host.configure("");
    await host.deploy({ "index.html": "one\n" });
    await publish(host.repository, registry.address("www"));
    assert.equal((await host.host("sync")).code, 0);
    const client = registryAt(registry.address("www"));
    const blob = await put(client, Buffer.from("hostile\n"));
    const large = await put(client, Buffer.alloc(17 * 1024 * 1024));
    const made = { name: "www", sequence: 9, source: { commit: "0".repeat(40) }, volumes: [] };
    const layersOf = (layers: readonly object[]) =>
      encodeArtifact(made as unknown as ReleaseManifest, layers as never, "main");
    const named = (title: string) => layersOf([{ ...blob, path: title }]);
    const thousands = Array.from({ length: 12_000 }, (_, i) => ({ ...blob, path: `f/${i}` }));
    const hostile: Readonly<Record<string, Buffer>> = {
      "a title that climbs out": named("../../etc/passwd"),
      "a title that is absolute": named("/etc/passwd"),
      "a title with a control character": named("a\u001b[2Jb"),
      "a title with a line end": named("manifest.json\n"),
      "an empty title": named(""),
      "one title twice": layersOf([
        { ...blob, path: "manifest.json" },
        { ...blob, path: "manifest.json" },
      ]),
      "a size that is too small": layersOf([{ ...blob, size: 1, path: "manifest.json" }]),
      "a size that is too large": layersOf([{ ...blob, size: 10_000, path: "manifest.json" }]),
      "a manifest.json without end": layersOf([{ ...large, path: "manifest.json" }]),
      "a manifest.json of nothing": layersOf([{ ...blob, path: "manifest.json" }]),
      "no manifest.json among thousands of layers": layersOf(thousands),
    };
    for (const [what, bytes] of Object.entries(hostile)) {
      await client.putManifest("latest", bytes, IMAGE_MANIFEST);
      // A release without manifest.json is none; everything else is one that was tampered with.
      assert.equal(await syncIn(host, "state"), what.startsWith("no manifest.json") ? 3 : 4, what);
    }
    await client.putManifest("latest", named("a\u001b[2Jb"), IMAGE_MANIFEST);
    const said = await host.host("sync");
    assert.equal(said.code, 4, said.stderr);
    assert.doesNotMatch(said.stderr, /\u001b/);
    assert.equal(readdirSync(path.join(host.state, "releases")).length, 1);
  });

  test("takes up where a killed sync was, and fetches nothing twice", async () => {
    await using registry = await startRegistry();
    await using host = await follower(registry);
    await host.configure("");
    const digest = await deploy(host, registry, { "index.html": "one\n" });
    const image = layerOf(registry, digest, "volumes/data.img");
    const blobs = () => readdirSync(path.join(host.state, "blobs"));
    registry.fault = ({ method, path: at }) =>
      method === "GET" && at.includes(image) ? { stallAfterBytes: 1000, direction: "response" } : undefined;
    const child = spawn(process.execPath, [CLI, "host", "sync", "--config", host.config], { stdio: "ignore" });
    const ended = once(child, "close");
    while (!existsSync(path.join(host.state, "blobs")) || !blobs().some((name) => name.startsWith(image.slice(7))))
      await delay(20);
    child.kill("SIGKILL");
    await ended;
    const whole = blobs().filter((name) => !name.endsWith(".tmp"));
    assert.ok(
      blobs().some((name) => name.endsWith(".tmp")),
      "it was killed in the middle of one",
    );
    registry.fault = undefined;
    registry.reset();
    const ran = await host.host("sync");
    assert.equal(ran.code, 0, ran.stderr);
    const again = registry.requests.filter(({ path: at }) => whole.some((name) => at.includes(name)));
    assert.deepEqual(
      again.map(({ path: at }) => at),
      [],
      "fetched twice",
    );
    assert.ok(blobs().every((name) => !name.endsWith(".tmp")));
  });

  test("shows a private registry its credentials, from the environment or from docker's file", async () => {
    await using files = await tempDir("auth");
    await writeFile(files.join("htpasswd"), HTPASSWD);
    const auth = `  htpasswd: {realm: test, path: ${JSON.stringify(files.join("htpasswd"))}}\n`;
    await using registry = await startRegistry({ auth });
    await using host = await follower(registry, "deployer");
    await host.configure("");
    await host.deploy({ "index.html": "one\n" });
    await publish(host.repository, registry.address("www", "deployer:secret-token"));
    const sync = (env: Record<string, string>) =>
      runCli(host.directory.path, ["host", "sync", "--config", host.config], env);
    const denied = await sync({});
    assert.equal(denied.code, 3, denied.stderr);
    assert.match(denied.stderr, /REPOSITORY_DENIED/);
    const wrong = await sync({ UNIKERNEL_DEPLOY_TOKEN: "wrong-token" });
    assert.equal(wrong.code, 3, wrong.stderr);
    assert.doesNotMatch(wrong.stderr, /wrong-token/);
    const right = await sync({ UNIKERNEL_DEPLOY_TOKEN: "secret-token" });
    assert.equal(right.code, 0, right.stderr);
    const docker = files.join("docker");
    await mkdir(docker);
    const entry = { auths: { [registry.host]: { auth: Buffer.from("deployer:secret-token").toString("base64") } } };
    await writeFile(path.join(docker, "config.json"), JSON.stringify(entry));
    const kept = await sync({ DOCKER_CONFIG: docker });
    assert.equal(kept.code, 0, kept.stderr);
    const said = await output("grep", ["-rl", "secret-token", host.directory.path]).catch(() => "");
    assert.equal(said, "");
  });

  test("serves, follows, and serves on while the registry does not", { skip: noQemu }, async () => {
    await using registry = await startRegistry();
    await using host = await follower(registry);
    const port = await freePort();
    await host.configure(
      `launch: {forward: ["${port}:80"]}\nhealth: {url: "http://127.0.0.1:${port}/", timeout: 5s}\npoll: 1s\n`,
    );
    const one = await host.deploy({ "index.html": "one\n" });
    await publish(host.repository, registry.address("www"));
    await using up = host.up();
    await up.line(new RegExp(`release ${one.release}: current`));
    assert.equal(await page(port), "one\n");
    const two = await host.deploy({ "index.html": "two\n" });
    await publish(host.repository, registry.address("www"));
    await up.line(new RegExp(`release ${two.release}: current`));
    assert.equal(await page(port), "two\n");
    registry.fault = () => ({ status: 403 });
    await up.line(/refused manifest latest/);
    assert.equal(await page(port), "two\n");
    assert.equal(await up.stop(), 0);
    assert.equal(existsSync(path.join(host.state, "mirror")), false);
  });
});

test("a registry without manners is refused with a code, whatever it answers", async () => {
  let answer: (url: string) => { status?: number; headers?: Record<string, string>; body?: Buffer | string } =
    () => ({});
  await using server = await serve(async (request, response) => {
    const { status = 200, headers = {}, body = "" } = answer(request.url ?? "");
    response.writeHead(status, headers).end(request.method === "HEAD" ? "" : body);
  });
  await using host = await hosting({
    kernel: VIRTIO,
    target: "virtio",
    address: () => `oci://127.0.0.1:${server.port}/www`,
  });
  await host.configure("");
  const digest = { "docker-content-digest": `sha256:${"0".repeat(64)}` };
  const answers: Readonly<Record<string, [typeof answer, number]>> = {
    "a manifest over 4 MiB": [() => ({ body: Buffer.alloc(5 * 1024 * 1024, " ") }), 3],
    "a manifest that is not what its digest says": [() => ({ headers: digest, body: "{}" }), 4],
    "a digest that is none": [() => ({ headers: { "docker-content-digest": "sha256:../../x" }, body: "{}" }), 4],
    "no JSON": [() => ({ body: "<html>" }), 4],
    "a list": [() => ({ body: "[]" }), 4],
    nothing: [() => ({}), 4],
    "no release": [() => ({ status: 404 }), 3],
    "layers nested without end": [() => ({ body: `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}` }), 4],
  };
  for (const [what, [given, code]] of Object.entries(answers)) {
    answer = given;
    const ran = await host.host("sync");
    assert.equal(ran.code, code, `${what}: ${ran.stderr}`);
    assert.match(ran.stderr, /^error\[[A-Z_]+\]/m, what);
  }
});
