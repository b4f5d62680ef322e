/** HTTP servers on loopback that go away with the test that started them. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { buffer } from "node:stream/consumers";

/** A server that listens on 127.0.0.1, on a port of the system's choice. */
export interface Loopback extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
}

/** Start a server of any kind; disposing it closes its open connections too. */
export async function listen(server: Server): Promise<Loopback> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Start an HTTP server. A handler that throws answers 500 with the error, so that the client's failure names it. */
export async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Loopback> {
  const pending = new Set<Promise<void>>();
  // A push of gigabytes to a busy machine takes longer than the five minutes that Node gives a request.
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    const work = handle(request, response)
      .catch((error: unknown) => answerError(response, error))
      .finally(() => pending.delete(work));
    pending.add(work);
  });
  const loopback = await listen(server);
  return {
    ...loopback,
    async [Symbol.asyncDispose]() {
      await loopback[Symbol.asyncDispose]();
      await Promise.all(pending);
    },
  };
}

function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(500, { "content-type": "text/plain" }).end(`The stand-in failed: ${String(error)}\n`);
}

/** Everything the client sent. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return buffer(request);
}

/** Answer with a JSON document. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(JSON.stringify(body));
}
