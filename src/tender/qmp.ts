/** The two questions we have for a running qemu, over its control socket (QMP, docs/interop/qmp-spec). */
import type { Duplex } from "node:stream";

/** A reply longer than this is not one (characters). */
const MAX_REPLY = 256 * 1024;

/** The port of 127.0.0.1 that qemu forwards to the guest; undefined when qemu ends, or says nothing for `timeout` ms. */
export async function forwardedPort(control: Duplex, timeout: number): Promise<number | undefined> {
  const lines = replies(control, timeout);
  await lines.next();
  control.write('{"execute":"qmp_capabilities"}\n');
  control.write('{"execute":"human-monitor-command","arguments":{"command-line":"info usernet"}}\n');
  for await (const line of lines) {
    const port = portOf(line);
    if (port !== undefined) return port;
  }
  return undefined;
}

/** The port in a reply to `info usernet`: "TCP[HOST_FORWARD] 4 127.0.0.1 41635 10.0.2.15 80 0 0". */
export function portOf(reply: string): number | undefined {
  const match = /HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d{1,5})\s/.exec(reply);
  return match ? Number(match[1]) : undefined;
}

async function* replies(control: Duplex, timeout: number): AsyncGenerator<string> {
  let text = "";
  const timer = setTimeout(() => control.destroy(new Error("late")), timeout);
  try {
    for await (const chunk of control.iterator({ destroyOnReturn: false })) {
      text += String(chunk);
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        yield text.slice(0, end);
        text = text.slice(end + 1);
      }
      if (text.length > MAX_REPLY) return;
    }
  } catch {
    // The socket closed: qemu has ended, which its end tells better.
  } finally {
    clearTimeout(timer);
  }
}
