/**
 * A program of its own, run inside a fresh network namespace: makes the taps, runs a tender on them, and relays
 * connections from a unix socket (which namespaces do not divide) to the guest. The namespace and its taps are gone with
 * its last process. Ends when its standard input closes, so that it can be stopped by who may not signal it.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import net from "node:net";
import type { NetnsOrder } from "./netns.ts";

function main(order: NetnsOrder): void {
  const made = spawnSync("ip", ["-batch", "-"], {
    input: order.network.map((line) => `${line}\n`).join(""),
    encoding: "utf8",
  });
  if (made.status !== 0) {
    process.stderr.write(`cannot make the taps: ${(made.error?.message ?? made.stderr).trim()}\n`);
    process.exitCode = 1;
    return;
  }
  const [program, ...args] = order.argv as [string, ...string[]];
  const tender = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  const sockets = new Set<net.Socket>();
  const relay = net.createServer({ allowHalfOpen: true }, (from) => {
    const to = net.connect({ host: order.guest, port: order.port, allowHalfOpen: true });
    // A guest that is gone does not answer, and its connections would keep us here for seconds.
    for (const socket of [from, to]) sockets.add(socket.on("close", () => sockets.delete(socket)));
    const drop = () => {
      from.destroy();
      to.destroy();
    };
    from.on("error", drop).pipe(to).on("error", drop).pipe(from);
    from.on("close", () => to.destroy());
  });
  // Root may have made it; the directory around it lets nobody else in.
  relay.listen(order.socket, () => chmodSync(order.socket, 0o666));
  tender.on("error", (error) => process.stderr.write(`${program} could not be started: ${error.message}\n`));
  tender.on("close", (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
    relay.close();
    for (const socket of sockets) socket.destroy();
    process.stdin.destroy();
  });
  const end = () => {
    tender.kill("SIGTERM");
    setTimeout(() => tender.kill("SIGKILL"), 500).unref();
  };
  process.on("SIGTERM", end);
  process.stdin.on("error", end).on("close", end).on("end", end).resume();
}

main(JSON.parse(process.argv[2] as string) as NetnsOrder);
