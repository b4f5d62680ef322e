/** Guests that a service of the machine runs, and that we only ask for: domains of Xen, unikernels of albatross. */
import { statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import {
  albatrossBlocks,
  albatrossCreate,
  albatrossCreateBlock,
  albatrossDestroy,
  albatrossDestroyBlock,
  albatrossInfo,
  albatrossListBlocks,
  staleBlocks,
} from "../tender/albatross.ts";
import { ConsoleLog } from "../tender/console.ts";
import { domainKernel, xlConfig, xlCreate, xlDestroy, xlList } from "../tender/xl.ts";
import { exec } from "../util/exec.ts";
import type { HostContext } from "./context.ts";
import { forgetRunning, type Guests, readRunning, type Running, writeRunning } from "./guest.ts";
import type { Prepared } from "./prepare.ts";

type Argv = readonly [string, ...string[]];

abstract class ServiceGuests implements Guests {
  readonly pause = 2000;
  protected readonly context: HostContext;
  readonly #runtime: string;

  constructor(context: HostContext, runtime: string) {
    this.context = context;
    this.#runtime = runtime;
  }

  /** Whether the service says that a guest of our name runs; `release` where it says of which. */
  protected abstract look(): Promise<{ readonly release: string | undefined } | undefined>;
  protected abstract create(prepared: Prepared): Promise<void>;
  protected abstract destroy(): Promise<void>;

  async find(): Promise<Running | undefined> {
    const seen = await this.look();
    const known = readRunning(this.#runtime);
    if (!seen || !known) return undefined;
    return seen.release === undefined || seen.release === known.release ? known : undefined;
  }

  async start(prepared: Prepared): Promise<Running> {
    await this.stop();
    const { release, print, directory } = prepared;
    const running = { release, print, directory, pid: null, since: this.context.now().getTime() };
    await this.create(prepared);
    writeRunning(this.#runtime, running);
    return running;
  }

  async stop(): Promise<void> {
    if (await this.look()) await this.destroy();
    forgetRunning(this.#runtime);
  }

  trim(): void {}

  console(): ConsoleLog {
    return new ConsoleLog();
  }

  protected async must(argv: Argv): Promise<string> {
    const { code, stdout, stderr } = await exec(argv, { env: this.context.env });
    if (code === 0) return stdout.toString("utf8");
    const said = (stderr || stdout.toString("utf8")).trim().split("\n").at(-1) ?? "";
    throw new DeployError("LAUNCH_FAILED", `${argv.slice(0, 2).join(" ")} ended with exit code ${code}: ${said}`);
  }

  protected async ask(argv: Argv): Promise<string | undefined> {
    const { code, stdout } = await exec(argv, { env: this.context.env });
    return code === 0 ? stdout.toString("utf8") : undefined;
  }
}

export class XenGuests extends ServiceGuests {
  protected async look(): Promise<{ release: string | undefined } | undefined> {
    const listed = await this.ask(xlList(this.context.config.name));
    if (listed === undefined) return undefined;
    const kernel = domainKernel(listed);
    const releases = path.join(this.context.store.directory, "releases");
    return {
      release: kernel?.startsWith(`${releases}/`) ? kernel.slice(releases.length + 1).split("/")[0] : undefined,
    };
  }

  protected async create({ spec, directory }: Prepared): Promise<void> {
    const file = path.join(directory, "domain.xl");
    writeFileSync(file, xlConfig(spec, this.context.config.name), { mode: 0o600 });
    await this.must(xlCreate(file));
  }

  protected async destroy(): Promise<void> {
    await this.must(xlDestroy(this.context.config.name));
  }
}

export class AlbatrossGuests extends ServiceGuests {
  protected async look(): Promise<{ release: string | undefined } | undefined> {
    const { name } = this.context.config;
    const info = await this.ask(albatrossInfo(name));
    return info !== undefined && info.includes(name) ? { release: undefined } : undefined;
  }

  protected async create({ spec, release }: Prepared): Promise<void> {
    const { name } = this.context.config;
    // Blocks that a crash left would be in the way; those of this release may be half written.
    await this.#removeBlocks(undefined);
    const blocks = albatrossBlocks(spec, name, release, (file) => statSync(file).size);
    for (const block of blocks) await this.must(albatrossCreateBlock(block));
    await this.must(albatrossCreate(spec, name, blocks));
  }

  protected async destroy(): Promise<void> {
    await this.must(albatrossDestroy(this.context.config.name));
  }

  async #removeBlocks(release: string | undefined): Promise<void> {
    const listing = (await this.ask(albatrossListBlocks())) ?? "";
    for (const block of staleBlocks(listing, this.context.config.name, release))
      await this.must(albatrossDestroyBlock(block));
  }
}
