/**
 * What following a repository costs: requests, and bytes on the wire both ways with HTTP headers, of a first sync of python3-doc, of a look with nothing
 * new, and of a release with one changed page; from git and from a registry. Part of `npm run soak -- host-cost`.
 */
import { cp } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { gitServer } from "../support/git-server.ts";
import { listen, type Loopback } from "../support/http.ts";
import { runCli } from "../support/project.ts";
import { startRegistry } from "../support/registry.ts";
import { type Hosting, hosting, VIRTIO } from "./hosting.ts";

const SITE = "/usr/share/doc/python3.11/html";
const PAGE = "library/os.html";

interface Moved {
  readonly requests: number;
  readonly bytes: number;
}

export interface PollCost {
  readonly from: string;
  readonly first: Moved;
  readonly idle: Moved;
  readonly page: Moved;
}

const HOST = { kernel: VIRTIO, target: "virtio" } as const;

export async function pollCosts(): Promise<PollCost[]> {
  return [await fromGit("image"), await fromGit("files"), await fromRegistry()];
}

interface Meter extends Loopback {
  /** Bytes that went through since the last time this was asked. */
  take(): number;
}

/** Passes everything on to another port of this machine, and counts it. */
async function meter(port: number): Promise<Meter> {
  let bytes = 0;
  const server = createServer((client) => {
    const onward = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [client, onward],
      [onward, client],
    ] as const) {
      from.on("data", (chunk: Buffer) => (bytes += chunk.length));
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  const taken = () => {
    const so = bytes;
    bytes = 0;
    return so;
  };
  return { ...(await listen(server as never)), take: taken };
}

export async function fromGit(layout: "image" | "files"): Promise<PollCost> {
  await using server = await gitServer({ token: "token", anonymousRead: true });
  await using wire = await meter(Number(new URL(server.url).port));
  const address = () => `${wire.url}/deployment.git`;
  await using host = await hosting({ ...HOST, layout, repositories: server.root, address });
  const moved = () => {
    const { requests } = server.totals();
    server.reset();
    return { requests, bytes: wire.take() };
  };
  return { from: `git, layout ${layout}`, ...(await follow(host, moved, async () => {})) };
}

export async function fromRegistry(): Promise<PollCost> {
  await using registry = await startRegistry();
  await using wire = await meter(Number(registry.host.split(":")[1]));
  await using host = await hosting({ ...HOST, address: () => `oci://127.0.0.1:${wire.port}/www` });
  const moved = () => {
    const requests = registry.requests.length;
    registry.reset();
    return { requests, bytes: wire.take() };
  };
  const push = async () => {
    const to = ["--release", host.directory.join("release"), "--repository", registry.address("www")];
    const ran = await runCli(host.directory.join("source"), ["deploy", ...to]);
    if (ran.code !== 0) throw new Error(ran.stderr);
  };
  return { from: "a registry", ...(await follow(host, moved, push)) };
}

async function follow(
  host: Hosting,
  moved: () => Moved,
  push: () => Promise<void>,
): Promise<Pick<PollCost, "first" | "idle" | "page">> {
  await host.configure("");
  const site = host.directory.join("source/site");
  await cp(SITE, site, { recursive: true, dereference: true });
  const deploy = async (text: string) => {
    await host.deploy({ [PAGE]: text });
    await push();
    moved();
  };
  const sync = async () => {
    const ran = await host.host("sync");
    if (ran.code !== 0) throw new Error(ran.stderr);
    return moved();
  };
  await deploy(`<!doctype html><title>one</title>\n${"one ".repeat(2000)}\n`);
  const first = await sync();
  const idle = await sync();
  await deploy(`<!doctype html><title>two</title>\n${"two ".repeat(2000)}\n`);
  return { first, idle, page: await sync() };
}

export function renderPollCosts(costs: readonly PollCost[]): string {
  const cell = ({ requests, bytes }: Moved) => `${requests} requests, ${bytes} bytes`.padEnd(32);
  const row = (name: string, cells: readonly string[]) => `${name.padEnd(20)} ${cells.join("")}`;
  return [
    row("", ["first sync of python3-doc".padEnd(32), "nothing new".padEnd(32), "one page changed"]),
    ...costs.map(({ from, first, idle, page }) => row(from, [cell(first), cell(idle), cell(page)])),
  ].join("\n");
}
