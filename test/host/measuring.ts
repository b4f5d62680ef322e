/**
 * What a second sync costs after one page has changed: bytes moved, time, memory. As a soak test, because a large image takes
 * its time:
 *
 *     npm run soak -- host-cost [GIGABYTES]        4 by default
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import path from "node:path";
import { gitServer } from "../support/git-server.ts";
import { gitEnvironment, output } from "../support/process.ts";
import { CLI } from "../support/project.ts";
import { type Hosting, hosting, VIRTIO } from "./hosting.ts";
import { pollCosts, renderPollCosts } from "./polling.ts";

export interface Cost {
  readonly milliseconds: number;
  /** The most that the program had at one time (bytes of resident memory). */
  readonly memory: number;
  /** Bytes that the server sent. */
  readonly moved: number;
  readonly mirror: number;
}

/** Runs host sync and watches its memory. */
export async function measureSync(host: Hosting): Promise<Omit<Cost, "moved" | "mirror">> {
  const start = performance.now();
  const child = spawn(process.execPath, [CLI, "host", "sync", "--quiet", "--config", host.config], {
    env: { ...gitEnvironment(), ...(process.env.NODE_OPTIONS ? { NODE_OPTIONS: process.env.NODE_OPTIONS } : {}) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  let memory = 0;
  const timer = setInterval(() => {
    memory = Math.max(memory, peakOf(child.pid as number));
  }, 20);
  const [code] = (await once(child, "close")) as [number];
  clearInterval(timer);
  if (code !== 0) throw new Error(said);
  return { milliseconds: performance.now() - start, memory };
}

/** The peak (VmHWM) of a process: it only grows, so the last look counts. */
function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function diskOf(directory: string): Promise<number> {
  return Number((await output("du", ["-sb", directory])).split("\t")[0]);
}

/** A first sync, and one after a page has changed, of a site with so many files. */
export async function manyFiles(count: number): Promise<{ first: Cost; second: Cost }> {
  await using server = await gitServer({ token: "token", anonymousRead: true });
  await using host = await hosting({
    kernel: VIRTIO,
    target: "virtio",
    layout: "files",
    repositories: server.root,
    address: () => server.repositoryUrl("deployment"),
  });
  await host.configure("");
  const text = (i: number) => `<!doctype html><title>${i}</title>\n${`page ${i * 7919} `.repeat(200)}\n`;
  const site = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`section-${i % 100}/page-${i}.html`, text(i)]),
  );
  await host.deploy({ "index.html": "home\n", ...site });
  const once = async (): Promise<Cost> => {
    server.reset();
    const cost = await measureSync(host);
    return { ...cost, moved: server.totals().bytesOut, mirror: await diskOf(path.join(host.state, "mirror")) };
  };
  const first = await once();
  await host.deploy({ "section-7/page-7.html": "changed\n" });
  return { first, second: await once() };
}

/** The size of the mirror after each of so many deploys that all change a page of 100 kB. */
export async function manyDeploys(count: number): Promise<number[]> {
  await using host = await hosting({ kernel: VIRTIO, target: "virtio", layout: "files" });
  await host.configure("");
  const sizes: number[] = [];
  let x = 1;
  const noise = () =>
    Array.from({ length: 100_000 }, () => {
      x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
      return String.fromCharCode(33 + ((x >>> 16) % 90));
    }).join("");
  const site = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`p${i}.html`, noise()]));
  for (let i = 0; i < count; i++) {
    await host.deploy({ ...(i === 0 ? site : {}), "index.html": noise() });
    await measureSync(host);
    sizes.push(await diskOf(path.join(host.state, "mirror")));
  }
  return sizes;
}

/** A volume of so many gigabytes, synced once and again after one page has changed. */
export async function largeImage(gigabytes: number): Promise<{ first: Cost; second: Cost }> {
  await using host = await hosting({ kernel: VIRTIO, target: "virtio", layout: "image" });
  await host.configure("");
  const site = host.directory.join("source/site");
  await mkdir(site, { recursive: true });
  const block = Buffer.alloc(1024 * 1024);
  for (let file = 0; file < gigabytes * 4; file++) {
    await using to = await open(path.join(site, `video-${file}.bin`), "w");
    for (let i = 0; i < 256; i++) await to.write(block.fill(`${file} ${i} `));
  }
  const once = async (): Promise<Cost> => {
    const cost = await measureSync(host);
    return { ...cost, moved: 0, mirror: await diskOf(path.join(host.state, "mirror")) };
  };
  await host.deploy({ "index.html": "one\n" });
  const first = await once();
  await host.deploy({ "index.html": "two\n" });
  return { first, second: await once() };
}

const show = (what: string, { milliseconds, memory, moved, mirror }: Cost) =>
  process.stdout.write(
    `${what.padEnd(24)} ${(milliseconds / 1000).toFixed(2)} s, ${Math.round(memory / 1e6)} MB of memory, ${moved} bytes moved, mirror ${Math.round(mirror / 1e3)} kB\n`,
  );

export async function soak(gigabytes: number): Promise<boolean> {
  process.stdout.write(`${renderPollCosts(await pollCosts())}\n`);
  const files = await manyFiles(20_000);
  show("20,000 files, first", files.first);
  show("one page changed", files.second);
  const mirror = await manyDeploys(50);
  process.stdout.write(
    `mirror over 50 deploys, every tenth: ${mirror.filter((_, i) => i % 10 === 9).join(" ")} bytes\n`,
  );
  const image = await largeImage(gigabytes);
  show(`${gigabytes} GB image, first`, image.first);
  show("one page changed", image.second);
  const costs = [files.first, files.second, image.first, image.second];
  return (
    files.second.moved < 200_000 && files.second.milliseconds < 2000 && costs.every(({ memory }) => memory < 150e6)
  );
}
