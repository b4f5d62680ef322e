/**
 * What one host asks of the place that it follows, counted on the wire: a first sync, a look that finds nothing new, and a
 * sync after one page has changed; from git and from a registry. docs/fleet.md does sums with it.
 *
 *     npm run fleet -- [DIRECTORY]...        sites; the example site if none is named
 *
 * Bytes are those of the connections, with HTTP's headers and without what TLS adds.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import path from "node:path";
import { gitServer } from "../test/support/git-server.ts";
import { git, gitEnvironment, run } from "../test/support/process.ts";
import { startRegistry } from "../test/support/registry.ts";
import { tempDir } from "../test/support/temp.ts";

const ROOT = path.join(import.meta.dirname, "..");
const CLI = path.join(ROOT, "dist/cli.js");

interface Traffic {
  connections: number;
  up: number;
  down: number;
}

/** Passes connections on and counts what goes through them. */
async function countingProxy(port: number) {
  const traffic: Traffic = { connections: 0, up: 0, down: 0 };
  const server = createServer((client) => {
    const onward = connect(port, "127.0.0.1");
    traffic.connections++;
    client.on("data", (bytes) => (traffic.up += bytes.length)).pipe(onward);
    onward.on("data", (bytes) => (traffic.down += bytes.length)).pipe(client);
    for (const socket of [client, onward]) socket.on("error", () => [client, onward].map((one) => one.destroy()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    /** What went through since the last time. */
    take() {
      const taken = { ...traffic };
      Object.assign(traffic, { connections: 0, up: 0, down: 0 });
      return taken;
    },
    [Symbol.dispose]: () => void server.close(),
  };
}

interface Place {
  readonly name: string;
  readonly address: string;
  requests(): number;
  reset(): void;
  take(): Traffic;
}

/** Runs the shipped program; it has to succeed. */
async function cli(cwd: string, ...args: string[]): Promise<void> {
  const env = gitEnvironment({ UNIKERNEL_DEPLOY_TOKEN: "token" });
  const ran = await run(process.execPath, [CLI, ...args, "--quiet"], { cwd, env, timeoutMs: 600_000 });
  if (ran.code !== 0) throw new Error(`${args.join(" ")}: ${ran.stderr}`);
}

async function measureSite(site: string, place: Place, directory: string): Promise<string[]> {
  const source = path.join(directory, "source");
  mkdirSync(path.join(source, "site"), { recursive: true });
  cpSync(site, path.join(source, "site"), { recursive: true, dereference: true });
  cpSync(path.join(ROOT, "examples/kernel/site.virtio"), path.join(source, "www.virtio"));
  // The site is anybody's: what is to be found in it is not the question here.
  const ignored = ["site-links", "site-hygiene", "secret-material", "tar-portability", "case-collisions"];
  writeFileSync(path.join(source, "unikernel.yml"), `checks: {ignore: [${ignored.join(", ")}]}\n`);
  await git(source, "init", "--quiet", "--initial-branch=main");
  const deploy = async (message: string) => {
    await git(source, "add", "--all", "--force");
    await git(source, "commit", "--quiet", `--message=${message}`);
    await cli(source, "build", "--kernel", "www.virtio", "--data", "site", "--out", "../release");
    await cli(source, "deploy", "--release", "../release", "--repository", place.address, "--no-cache");
  };
  const host = path.join(directory, "host");
  mkdirSync(host);
  writeFileSync(path.join(host, "host.yml"), `name: www\nrepository: ${place.address}\ntarget: virtio\nstate: state\n`);
  const sync = async (what: string) => {
    place.reset();
    place.take();
    await cli(host, "host", "sync", "--config", "host.yml");
    const { connections, up, down } = place.take();
    return `| ${place.name}, ${what} | ${place.requests()} | ${connections} | ${number(up)} | ${number(down)} |`;
  };
  await deploy("First");
  const rows = [await sync("first sync"), await sync("nothing new")];
  writeFileSync(path.join(source, "site/index.html"), "<!doctype html><title>Changed</title><p>One page.</p>\n");
  await deploy("One page");
  rows.push(await sync("one page changed"), await sync("nothing new"));
  return rows;
}

const number = (value: number) => value.toLocaleString("en-GB");

async function withGit<T>(work: (place: Place) => Promise<T>): Promise<T> {
  await using server = await gitServer({ token: "token", anonymousRead: true });
  await server.createRepository("www");
  using proxy = await countingProxy(Number(new URL(server.url).port));
  return await work({
    name: "git",
    address: `http://127.0.0.1:${proxy.port}/www.git`,
    requests: () => server.requests.length,
    reset: () => server.reset(),
    take: () => proxy.take(),
  });
}

async function withRegistry<T>(work: (place: Place) => Promise<T>): Promise<T> {
  await using server = await startRegistry();
  using proxy = await countingProxy(Number(server.host.split(":")[1]));
  return await work({
    name: "registry",
    address: `oci://127.0.0.1:${proxy.port}/www`,
    requests: () => server.requests.length,
    reset: () => server.reset(),
    take: () => proxy.take(),
  });
}

if (spawnSync("docker-registry", ["--help"]).error) throw new Error("docker-registry is not installed");
const sites = process.argv.length > 2 ? process.argv.slice(2) : [path.join(ROOT, "examples/site")];
for (const site of sites) {
  const size = spawnSync("du", ["-sbL", site], { encoding: "utf8" }).stdout.split("\t")[0];
  process.stdout.write(`\n${site} (${number(Number(size))} bytes)\n\n`);
  process.stdout.write("| | requests | connections | bytes up | bytes down |\n| --- | ---: | ---: | ---: | ---: |\n");
  for (const withPlace of [withGit, withRegistry]) {
    await using directory = await tempDir("fleet");
    const rows = await withPlace((place) => measureSite(site, place, directory.path));
    process.stdout.write(`${rows.join("\n")}\n`);
  }
}
