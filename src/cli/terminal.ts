/** Standard output and standard error of the command line. */
import { once } from "node:events";
import type { Log } from "../util/log.ts";
import { printable } from "../util/printable.ts";

/** Logs to standard error; progress only on a terminal, where a line replaces the one before. */
export function terminalLog(stderr: NodeJS.WriteStream): Log {
  let shown = false;
  const clear = () => {
    if (shown) stderr.write("\r\u001b[K");
    shown = false;
  };
  const line = (text: string) => {
    clear();
    stderr.write(`${printable(text)}\n`);
  };
  return {
    info: line,
    warning: (message) => line(`warning: ${message}`),
    raw(chunk) {
      clear();
      stderr.write(chunk);
    },
    progress(message) {
      if (!stderr.isTTY || message === "") return;
      clear();
      stderr.write(printable(message).slice(0, (stderr.columns ?? 80) - 1));
      shown = true;
    },
  };
}

/** Writes and waits while the reader is slower than we are. */
export async function writeAll(stream: NodeJS.WriteStream, chunk: Uint8Array | string): Promise<void> {
  if (!stream.write(chunk)) await once(stream, "drain");
}
