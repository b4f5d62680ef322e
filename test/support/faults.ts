/** What can go wrong with a connection, on demand. */
import type { Socket } from "node:net";
import { setImmediate, setTimeout } from "node:timers/promises";

/** Which body a fault concerns: what the client sends, or what it receives. */
export type Direction = "request" | "response";

/** What goes wrong with a request. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** So many bytes go through, then the connection is closed. */
  | { readonly cutAfterBytes: number; readonly direction: Direction }
  /** So many bytes go through, and the rest is lost without anybody being told. */
  | { readonly truncateAfterBytes: number; readonly direction: Direction }
  /** So many bytes go through, then nothing happens until the client gives up. */
  | { readonly stallAfterBytes: number; readonly direction: Direction }
  | { readonly bytesPerSecond: number; readonly direction: Direction };

/** A stream of bytes. */
export type Chunks = AsyncIterable<Buffer>;

/** The stream with the fault, where it concerns this direction. */
export function impaired(chunks: Chunks, direction: Direction, socket: Socket, fault: Fault | undefined): Chunks {
  if (!fault || "status" in fault || fault.direction !== direction) return chunks;
  if ("bytesPerSecond" in fault) return dripped(chunks, fault.bytesPerSecond);
  if ("truncateAfterBytes" in fault) return truncated(chunks, fault.truncateAfterBytes);
  if ("cutAfterBytes" in fault) return limited(chunks, fault.cutAfterBytes, () => hangUp(socket));
  return limited(chunks, fault.stallAfterBytes, () => closed(socket));
}

async function* limited(chunks: Chunks, limit: number, atLimit: () => Promise<void>): Chunks {
  let left = limit;
  for await (const chunk of chunks) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left < 0) return await atLimit();
  }
}

async function* truncated(chunks: Chunks, limit: number): Chunks {
  let left = limit;
  for await (const chunk of chunks) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.length;
  }
}

async function hangUp(socket: Socket): Promise<void> {
  // The response hands its last bytes to the socket at the end of this turn of the event loop.
  await setImmediate();
  const gone = closed(socket);
  socket.destroySoon();
  await gone;
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => void socket.once("close", () => resolve()));
}

const DRIPS_PER_SECOND = 20;

async function* dripped(chunks: Chunks, bytesPerSecond: number): Chunks {
  const size = Math.max(1, Math.floor(bytesPerSecond / DRIPS_PER_SECOND));
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; start += size) {
      yield chunk.subarray(start, start + size);
      await setTimeout((size / bytesPerSecond) * 1000);
    }
  }
}
