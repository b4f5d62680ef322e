// Builds small volumes with GNU tar, starts the example kernels, and talks HTTP to them. Written against the kernels'
// README only, so that these tests share nothing with the product's own launch code.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

export const kernelFolder = path.resolve(import.meta.dirname, "../../examples/kernel");
export const unixFolder = path.resolve(import.meta.dirname, "../../examples/unix-kernel");

export type Machine = "virtio" | "pvh";

/** Why tests that need this program cannot run here, or undefined if they can. */
export function missing(program: string): string | undefined {
  return spawnSync(program, ["--version"]).error ? `${program} is not installed` : undefined;
}

export function tempFolder(): { path: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(path.join(tmpdir(), "example-kernel-"));
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Writes a volume in the safe profile: regular files only, sorted, GNU 'L' records, a multiple of 4096 bytes. */
export function makeVolume(folder: string, name: string, files: Record<string, string | Buffer>): string {
  const root = path.join(folder, `${name}.d`);
  const image = path.join(folder, `${name}.img`);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), content);
  }
  const names = Object.keys(files).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const shape = ["--format=gnu", "--no-recursion", "--null", "--verbatim-files-from", "-T", "-", "-b", "8"];
  const owner = ["--owner=0", "--group=0", "--numeric-owner", "--mode=0644", "--mtime=@0"];
  execFileSync("tar", ["-C", root, ...shape, ...owner, "-cf", image], { input: names.map((n) => `${n}\0`).join("") });
  return image;
}

/** A volume of `count` empty files, written by hand: GNU tar would want the files to exist. */
export function makeCrowdedVolume(folder: string, count: number): string {
  const volume = Buffer.alloc(Math.ceil((count * 512 + 1024) / 4096) * 4096);
  for (let i = 0; i < count; i++) {
    const header = volume.subarray(i * 512, (i + 1) * 512);
    header.write(`file-${i}.html`, 0);
    header.write("0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        0", 100);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148);
  }
  const image = path.join(folder, `crowded-${count}.img`);
  writeFileSync(image, volume);
  return image;
}

export interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  readonly millisecondsToListen: number;
  console(): string;
  /** Waits until the console matches; throws with the console's text after `timeout` ms or when the guest has ended. */
  until(pattern: RegExp, timeout?: number): Promise<void>;
  /** Waits for the end and returns the exit code. */
  ended(timeout?: number): Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
}

const listening = /^listening on [\d.]+:(\d+)\r?$/m;

function watch(command: string, argv: string[], fixedPort: number): Running {
  const started = performance.now();
  const child = spawn(command, argv, { stdio: ["ignore", "pipe", "pipe"] });
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  let text = "";
  let port = fixedPort;
  let sawListening = Number.NaN;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const check of waiting) check();
  };
  const take = (data: Buffer) => {
    // A flooding guest must not fill our memory.
    if (text.length < 1_000_000) text += data.toString("latin1");
    const match = Number.isNaN(sawListening) && listening.exec(text);
    if (match) {
      sawListening = performance.now() - started;
      if (!port) port = Number(match[1]);
    }
    wake();
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  child.once("error", (error) => take(Buffer.from(`${error.message}\n`)));
  child.once("close", wake);
  const wait = (done: () => boolean, what: string, timeout: number) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        const gone = child.exitCode !== null || child.signalCode !== null;
        if (done()) finish(resolve);
        else if (gone) finish(() => reject(new Error(`ended before ${what}; console:\n${text}`)));
      };
      const timer = setTimeout(
        () => finish(() => reject(new Error(`no ${what} in ${timeout} ms; console:\n${text.slice(-2000)}`))),
        timeout,
      );
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        waiting.delete(check);
        settle();
      };
      waiting.add(check);
      check();
    });
  return {
    child,
    get port() {
      return port;
    },
    get millisecondsToListen() {
      return sawListening;
    },
    console: () => text.replaceAll("\r", ""),
    until: (pattern, timeout = 10_000) => wait(() => pattern.test(text.replaceAll("\r", "")), `${pattern}`, timeout),
    ended: async (timeout = 10_000) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), timeout);
      const code = await exit;
      clearTimeout(timer);
      return code;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface QemuOptions {
  /** Kernel arguments. */
  append?: string;
  /** Device arguments instead of the usual network card and disk; `disk` and `n0` are defined. */
  devices?: string[];
  memory?: number;
  /** Instead of the committed kernel. */
  kernel?: string;
  /** Further QEMU arguments. */
  extra?: string[];
}

/** The launch lines of examples/kernel/README.md, under TCG. */
export async function startQemu(machine: Machine, image: string, options: QemuOptions = {}): Promise<Running> {
  const usual = {
    virtio: ["virtio-net,netdev=n0,addr=0x2", "virtio-blk,drive=disk,addr=0x3"],
    pvh: ["virtio-net-device,netdev=n0", "virtio-blk-device,drive=disk"],
  }[machine];
  const board = {
    virtio: ["-machine", "pc,acpi=off", "-cpu", "Westmere"],
    pvh: ["-M", "microvm,acpi=off"],
  }[machine];
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const running = watch(
      "qemu-system-x86_64",
      [
        "-accel",
        "tcg",
        ...board,
        "-m",
        `${options.memory ?? 16}`,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-device",
        "isa-debug-exit",
        "-netdev",
        `user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:80`,
        "-drive",
        `id=disk,file=${image},if=none,format=raw,readonly=on`,
        ...(options.devices ?? usual).flatMap((device) => ["-device", device]),
        ...(options.extra ?? []),
        "-kernel",
        options.kernel ?? path.join(kernelFolder, `site.${machine}`),
        "-append",
        options.append ?? "",
      ],
      port,
    );
    // Someone else may have taken the port in between; anything else is the test's business.
    await running.until(/site: |Could not set up host forwarding/).catch(() => {});
    if (attempt === 5 || !running.console().includes("Could not set up host forwarding")) return running;
    await running[Symbol.asyncDispose]();
  }
}

export function startUnix(binary: string, image: string, ...more: string[]): Running {
  return watch(binary, [image, "--port=0", ...more], 0);
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** `agent` false: a connection of its own, closed afterwards. */
export function request(
  port: number,
  target: string,
  options: { method?: string; agent?: http.Agent | false; timeout?: number } = {},
): Promise<Answer> {
  const { method = "GET", agent = false, timeout = 10_000 } = options;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeout);
    const message = http.request({ host: "127.0.0.1", port, path: target, method, agent, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    message.on("error", reject);
    message.end();
  });
}

/** Sends bytes as they are and returns everything that comes back until the server closes or `timeout` ms have gone. */
export function exchange(port: number, bytes: string, timeout = 5_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
    let text = "";
    const timer = setTimeout(() => socket.destroy(), timeout);
    socket.on("data", (data) => {
      text += data.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

/** What examples/kernel/README.md says the committed binaries were built with. */
export function recordedToolchain(): { gcc: string; binutils: string } {
  const text = readFileSync(path.join(kernelFolder, "README.md"), "utf8");
  const match = /gcc (\d+\.\d+\.\d+) and binutils (\d+\.\d+(?:\.\d+)?)/.exec(text);
  if (!match?.[1] || !match[2]) throw new Error("README.md records no toolchain");
  return { gcc: match[1], binutils: match[2] };
}

/** The paths a kernel must answer for these files, and the bytes expected. */
export function expectedPaths(files: Record<string, string | Buffer>): Array<[target: string, body: Buffer]> {
  const result: Array<[string, Buffer]> = [];
  for (const [name, content] of Object.entries(files)) {
    const target = `/${name.split("/").map(encodeURIComponent).join("/")}`;
    result.push([target, Buffer.from(content)]);
    if (path.posix.basename(name) === "index.html")
      result.push([target.slice(0, -"index.html".length), Buffer.from(content)]);
  }
  return result;
}
