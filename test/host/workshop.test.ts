/** While one guest is started another is made ready: what is cleaned up is never what the other one just got. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { HostContext } from "../../src/host/context.ts";
import { discardGuestDirectory, prepareGuest } from "../../src/host/prepare.ts";
import { HostStore } from "../../src/host/store.ts";
import { Workshop } from "../../src/host/workshop.ts";
import { readHostConfig } from "../../src/inputs/config.ts";
import { silentLog } from "../../src/util/log.ts";
import { tempDir } from "../support/temp.ts";

const CONFIG = `name: www
repository: deployment
target: unix
state: state
secrets: {tls: {from: tls}}
`;

/** A release on disk whose secret volume has this format. */
function layOut(store: HostStore, sequence: number, format: string): string {
  const commit = String(sequence).repeat(40);
  const name = `${sequence}-${commit.slice(0, 12)}`;
  mkdirSync(path.join(store.release(name), "kernels"), { recursive: true });
  writeFileSync(path.join(store.release(name), "kernels/www.unix"), "kernel");
  const manifest = {
    type: "unikernel-deploy.release",
    version: 1,
    name: "www",
    sequence,
    source: { commit },
    kernels: [
      { target: "unix", arch: "x86_64", path: "kernels/www.unix", size: 6, sha256: "0".repeat(64), devices: [] },
    ],
    volumes: [{ name: "tls", device: "tls", secret: true, format }],
    launch: { memory: 16, args: [] },
  };
  writeFileSync(path.join(store.release(name), "manifest.json"), JSON.stringify(manifest));
  return name;
}

test("cleaning up after a launch leaves a release alone that is on its way", async () => {
  await using dir = await tempDir("workshop");
  mkdirSync(dir.join("tls"));
  writeFileSync(dir.join("tls/key"), "secret\n");
  const store = new HostStore(dir.join("state"));
  const context: HostContext = {
    config: { ...readHostConfig({ name: "host.yml", text: CONFIG }), keep: 2 },
    directory: dir.path,
    env: process.env,
    log: silentLog,
    sshKey: undefined,
    knownHosts: undefined,
    now: () => new Date(0),
    store,
  };
  const runtime = dir.join("runtime");
  const secret = (format: string) => path.join(runtime, `secrets/tls.${format}.img`);
  const [one, two, three] = [layOut(store, 1, "tar"), layOut(store, 2, "tar"), layOut(store, 3, "fat")];
  const workshop = new Workshop(context, runtime);
  await prepareGuest(context, two, runtime);

  // A look at the repository has got as far as the secrets of the next release, and the guest of the last is launched.
  workshop.expect(three);
  await prepareGuest(context, three, runtime);
  await workshop.clean(two);
  assert.ok(existsSync(secret("fat")), "the secret of the release on its way");
  assert.ok(existsSync(secret("tar")), "the secret of the guest that runs");
  assert.deepEqual(workshop.collect([one, two]), [], "the release on its way");
  assert.ok(readFileSync(secret("fat")).length > 0);

  // It is not coming after all.
  workshop.arrived(three);
  await workshop.clean(two);
  assert.equal(existsSync(secret("fat")), false);
  assert.ok(existsSync(secret("tar")));
  assert.deepEqual(workshop.collect([one, two]), [three]);

  // What is ready is safe without a word, until it is taken.
  layOut(store, 3, "fat");
  await workshop.prepare(three);
  await workshop.clean(two);
  assert.ok(existsSync(secret("fat")));
  assert.equal((await workshop.take(three)).release, three);
  await workshop.end();
  assert.deepEqual([existsSync(secret("fat")), existsSync(secret("tar"))], [false, false]);
});

test("of what is said to be a guest's directory only those go that are", async () => {
  await using directory = await tempDir("guests");
  const store = new HostStore(directory.join("state"));
  const victim = directory.join("victim");
  const guest = path.join(store.guests, "1-x");
  for (const place of [victim, guest, path.join(guest, "below")]) mkdirSync(place, { recursive: true });
  for (const place of [victim, store.guests, path.join(store.guests, ".."), path.join(guest, "below"), "/"])
    discardGuestDirectory({ store }, place);
  assert.ok(existsSync(victim) && existsSync(path.join(guest, "below")) && existsSync(store.directory));
  discardGuestDirectory({ store }, guest);
  assert.ok(!existsSync(guest));
});
