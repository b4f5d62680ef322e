/**
 * Word to the service manager (sd_notify(3)): ready, alive, what is being done, going. Node cannot send datagrams to a unix
 * socket, so systemd's own program does. Without a service manager nothing is sent.
 */
import { exec } from "../util/exec.ts";

export interface Notifier {
  /** How often to call `alive` (milliseconds); undefined where nobody watches. */
  readonly interval: number | undefined;
  ready(): void;
  alive(): void;
  status(text: string): void;
  stopping(): void;
}

export function openNotifier(env: NodeJS.ProcessEnv, onProblem: (problem: string) => void): Notifier {
  if (!env.NOTIFY_SOCKET) return { interval: undefined, ready() {}, alive() {}, status() {}, stopping() {} };
  let failed = false;
  // One after the other, so that nothing overtakes.
  let queue = Promise.resolve();
  const send = (...words: string[]) => {
    queue = queue
      .then(async () => {
        const { code, stderr } = await exec(["systemd-notify", ...words], { env });
        if (code !== 0) throw new Error(stderr.trim());
      })
      .catch((error: unknown) => {
        if (!failed) onProblem(`systemd-notify: ${error instanceof Error ? error.message : String(error)}`);
        failed = true;
      });
  };
  const watchdog = Number(env.WATCHDOG_USEC ?? 0) / 1000;
  return {
    // Half of what is allowed, as sd_watchdog_enabled(3) advises.
    interval:
      watchdog > 0 && (!env.WATCHDOG_PID || Number(env.WATCHDOG_PID) === process.pid) ? watchdog / 2 : undefined,
    ready: () => send("--ready"),
    alive: () => send("WATCHDOG=1"),
    status: (text) => send(`--status=${text.replaceAll(/[\u0000-\u001f]/g, " ")}`),
    stopping() {
      // The word that is under way ends with all other programs, and nobody misses it.
      failed = true;
      send("STOPPING=1");
    },
  };
}
