/** What systemd hears of host up, by way of a socket like its own. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CLI } from "../support/project.ts";
import { hosting, up, VIRTIO } from "./hosting.ts";

const LISTENER = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, ancillary, _, _ = s.recvmsg(4096, 4096)
    # systemd-notify waits until the descriptor that it sent is closed, which tells it that its word was read.
    for _, _, fds in ancillary:
        if len(fds) == 4:
            os.close(array.array("i", fds)[0])
    print(data.decode(), flush=True)
`;

const missing = ["python3", "systemd-notify"].find((program) => spawnSync(program, ["--version"]).error);

test("host up says when it is ready, that it is alive, and that it ends", {
  skip: missing ? `${missing} is not installed` : false,
}, async () => {
  await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
  await host.configure("poll: 1s\n");
  const socket = host.directory.join("notify");
  const listener = spawn("python3", ["-c", LISTENER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  listener.stdout.setEncoding("utf8").on("data", (text: string) => (heard += text));
  const hears = async (pattern: RegExp) => {
    for (const end = performance.now() + 10_000; performance.now() < end; await delay(20))
      if (pattern.test(heard)) return;
    assert.fail(`not heard ${pattern} in:\n${heard}`);
  };
  try {
    await hears(/bound/);
    const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "2000000" };
    await using supervisor = up(
      process.execPath,
      [CLI, "host", "up", "--config", host.config],
      host.directory.path,
      env,
    );
    await hears(/^READY=1$/m);
    await hears(/^STATUS=no guest; /m);
    await hears(/^WATCHDOG=1[\s\S]*^WATCHDOG=1$/m);
    assert.equal(await supervisor.stop(), 0);
    await hears(/^STOPPING=1$/m);
    assert.doesNotMatch(supervisor.log(), /systemd-notify/);
  } finally {
    listener.kill();
  }
});

test("the unit is one that systemd takes", {
  skip: spawnSync("systemd-analyze", ["--version"]).error ? "systemd-analyze is not installed" : false,
}, () => {
  const unit = new URL("../../examples/systemd/unikernel-deploy@.service", import.meta.url).pathname;
  const { stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unit], { encoding: "utf8" });
  const complaints = stderr.split("\n").filter((line) => line !== "" && !/is not executable|Failed to/.test(line));
  assert.deepEqual(
    complaints.filter((line) => line.includes("unikernel-deploy@")),
    [],
  );
});
