/**
 * A watchdog over everything that a boot makes, for the one end that we cannot act on: SIGKILL of ourselves. It holds the
 * other end of a pipe to us. When that closes without a word it kills what bears our mark and removes our directories.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";

/** Every guest and all that it starts have this variable, by which a watchdog finds them whatever group they are in. */
export const MARK = "UNIKERNEL_DEPLOY_GUEST";

/**
 * A shell, because it takes 1 MB of memory where a second Node takes 40, on a small host, for months. The text is a
 * constant: what differs is in $1 (the mark) and $2 (the beginning of our directories' paths). Killing is repeated until
 * nothing bears the mark, because what is killed may just have started something.
 */
const SCRIPT = `
trap '' HUP INT TERM
if read -r word && [ "$word" = done ]; then exit 0; fi
round=0
while [ "$round" -lt 100 ]; do
  found=$(grep -lszx -- "${MARK}=$1" /proc/[0-9]*/environ)
  [ -n "$found" ] || break
  for file in $found; do pid=\${file#/proc/}; kill -KILL "\${pid%/environ}" 2>/dev/null; done
  round=$((round + 1))
  sleep 0.05
done
rm -rf -- "$2"*
`;

export interface Watchdog {
  /** The environment of whatever is to be watched. */
  readonly mark: Readonly<Record<string, string>>;
}

let current: { readonly dog: Watchdog; readonly child: ChildProcess; users: number } | undefined;

/** The watchdog of this process, started for its first user. `prefix` begins the path of every directory of ours. */
export function watched(prefix: string): Watchdog & Disposable {
  current ??= start(prefix);
  const mine = current;
  mine.users++;
  return {
    mark: mine.dog.mark,
    [Symbol.dispose]() {
      if (--mine.users > 0) return;
      mine.child.stdin?.end("done\n");
      if (current === mine) current = undefined;
    },
  };
}

function start(prefix: string) {
  const value = randomBytes(16).toString("hex");
  // Detached: a signal to our process group, or from our terminal, must not reach it.
  const child = spawn("/bin/sh", ["-c", SCRIPT, "unikernel-deploy-watchdog", value, prefix], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  // Without a shell there is no watchdog, and every other end is still taken care of.
  child.on("error", () => {});
  child.stdin?.on("error", () => {});
  child.unref();
  (child.stdin as unknown as { unref?(): void }).unref?.();
  return { dog: { mark: { [MARK]: value } }, child, users: 0 };
}
