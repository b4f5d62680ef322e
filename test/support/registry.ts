/**
 * Debian's docker-registry on loopback, behind a proxy that counts what goes through it and breaks it on demand. The
 * registry can be killed and started again over the same storage.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Chunks, type Fault, impaired } from "./faults.ts";
import { serve } from "./http.ts";
import { tempDir } from "./temp.ts";

/** Why a test that needs a registry is skipped here; false where it is not. */
export const noRegistry = ["/usr/bin/docker-registry", "/usr/bin/skopeo"].every((file) => existsSync(file))
  ? false
  : "docker-registry and skopeo are not installed";

/** `secret-token` by bcrypt, as `htpasswd -B` writes it. */
export const HTPASSWD = "deployer:$2b$04$.hlpwSPtQ8ltMIB58p1p5uyiFETDLYseanDKljecq79C/kxLcZ1wu\n";

/** A request as the proxy saw it. The counts grow while it lasts. */
export interface RegistryRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly status: number | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Decides about each request before the registry sees it; undefined lets it pass. */
export type RegistryFault = (request: RegistryRequest) => Fault | undefined;

export interface RegistryOptions {
  /** Lines of the `auth:` section. */
  readonly auth?: string;
  /** Whether manifests may be deleted. */
  readonly deletable?: boolean;
  readonly fault?: RegistryFault;
}

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` of the proxy. */
  readonly host: string;
  /** The registry's own storage directory. */
  readonly storage: string;
  readonly requests: readonly RegistryRequest[];
  fault: RegistryFault | undefined;
  /** `oci://127.0.0.1:PORT/NAME`, with a user name and token where those are given. */
  address(name: string, userinfo?: string): string;
  /** Bytes that clients have sent as bodies since the start or the last reset. */
  bytesIn(): number;
  reset(): void;
  /** By SIGKILL: connections break off, nothing is flushed. */
  kill(): Promise<void>;
  /** Starts it again over what is there. */
  start(): Promise<void>;
}

type Recorded = { -readonly [Key in keyof RegistryRequest]: RegistryRequest[Key] };

/** `await using registry = await startRegistry()`. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const directory = await tempDir("registry");
  const port = await freePort();
  const config = directory.join("config.yml");
  await writeFile(config, configuration({ ...options, port, storage: directory.join("storage") }));
  const requests: Recorded[] = [];
  let child: ChildProcess | undefined;
  const proxy = await serve(async (request, response) => {
    const record: Recorded = {
      method: request.method ?? "GET",
      path: request.url ?? "/",
      authorization: request.headers.authorization,
      status: undefined,
      bytesIn: 0,
      bytesOut: 0,
    };
    requests.push(record);
    const fault = registry.fault?.(record);
    if (fault && "status" in fault) {
      record.status = fault.status;
      request.resume();
      response.writeHead(fault.status, fault.headers).end();
    } else await forward({ request, response, record, fault, port });
  });
  const registry: TestRegistry = {
    host: `127.0.0.1:${proxy.port}`,
    storage: directory.join("storage"),
    requests,
    fault: options.fault,
    address: (name, userinfo) => `oci://${userinfo === undefined ? "" : `${userinfo}@`}127.0.0.1:${proxy.port}/${name}`,
    bytesIn: () => requests.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
    reset: () => void requests.splice(0),
    async kill() {
      const running = child;
      child = undefined;
      if (!running || running.exitCode !== null || running.signalCode !== null) return;
      const exited = once(running, "exit");
      running.kill("SIGKILL");
      await exited;
    },
    async start() {
      await registry.kill();
      child = spawn("docker-registry", ["serve", config], { stdio: "ignore", env: { PATH: process.env.PATH } });
      await reachable(port, child);
    },
    async [Symbol.asyncDispose]() {
      await registry.kill();
      await proxy[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
  await registry.start();
  return registry;
}

interface Settings extends RegistryOptions {
  readonly port: number;
  readonly storage: string;
}

function configuration({ port, storage, auth, deletable }: Settings): string {
  return `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: ${JSON.stringify(storage)}}
  delete: {enabled: ${deletable === true}}
http: {addr: "127.0.0.1:${port}", secret: not-a-secret}
${auth === undefined ? "" : `auth:\n${auth}`}`;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: Recorded;
  readonly fault: Fault | undefined;
  readonly port: number;
}

/** Let the registry answer; where it is dead, or dies, the client's connection breaks off as well. */
async function forward({ request, response, record, fault, port }: Exchange): Promise<void> {
  const { method, url, headers } = request;
  const onward = httpRequest({ host: "127.0.0.1", port, method, path: url, headers, agent: false });
  const answered = once(onward, "response") as Promise<[IncomingMessage]>;
  const body = impaired(
    counted(request.iterator({ destroyOnReturn: false }), record, "bytesIn"),
    "request",
    request.socket,
    fault,
  );
  const sent = pipeline(body, onward);
  try {
    const [[answer]] = await Promise.all([answered, sent.catch(() => answered)]);
    record.status = answer.statusCode;
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    await pipeline(counted(impaired(answer, "response", request.socket, fault), record, "bytesOut"), response);
  } catch {
    request.socket.destroy();
  } finally {
    onward.destroy();
  }
}

async function* counted(chunks: Chunks, record: Recorded, count: "bytesIn" | "bytesOut"): Chunks {
  for await (const chunk of chunks) {
    record[count] += chunk.length;
    yield chunk;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  for (let tried = 0; tried < 1200; tried++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with code ${child.exitCode}`);
    const socket = connect(port, "127.0.0.1");
    const open = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await sleep(25);
  }
  throw new Error("docker-registry does not listen");
}
