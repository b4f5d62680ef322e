/** Who may sign: several keys, keys that end, keys that are revoked; and a repository that stands still. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { git, output } from "../support/process.ts";
import { type Hosting, hosting, VIRTIO } from "./hosting.ts";

async function keys(host: Hosting, ...names: string[]): Promise<Record<string, string>> {
  const made = names.map(async (name) => {
    await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", host.directory.join(name)]);
    return [name, (await readFile(host.directory.join(`${name}.pub`), "utf8")).trim()] as const;
  });
  return Object.fromEntries(await Promise.all(made));
}

describe("allowed-signers", () => {
  test("takes any of several keys, until a key ends or is revoked", async () => {
    await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
    const pub = await keys(host, "old", "new", "foreign");
    const allow = (text: string) => writeFile(host.directory.join("allowed"), text);
    await host.configure("allowed-signers: allowed\nrevoked-signers: revoked\nmax-age: 365d\n");
    await writeFile(host.directory.join("revoked"), "");
    await allow(`deploy ${pub["old"]}\nnext ${pub["new"]}\n`);
    const sync = async () => {
      const ran = await host.host("sync", "--json");
      return { code: ran.code, signer: (JSON.parse(ran.stdout) as { signer?: string }).signer, stderr: ran.stderr };
    };
    await host.deploy({ "index.html": "1\n" }, { more: ["--signing-key", host.directory.join("old")] });
    assert.deepEqual([(await sync()).code, (await sync()).signer], [0, "deploy"]);
    await host.deploy({ "index.html": "2\n" }, { more: ["--signing-key", host.directory.join("new")] });
    assert.deepEqual([(await sync()).code, (await sync()).signer], [0, "next"]);
    // Two names for one key, of which the first has ended.
    await allow(`gone valid-before="20200101" ${pub["new"]}\nnext ${pub["new"]}\n`);
    assert.deepEqual([(await sync()).code, (await sync()).signer], [0, "next"]);
    await allow(`next valid-before="20200101" ${pub["new"]}\n`);
    assert.equal((await sync()).code, 4);
    await allow(`next valid-before="21000101" ${pub["new"]}\n`);
    assert.equal((await sync()).code, 0);
    await writeFile(host.directory.join("revoked"), `${pub["new"]}\n`);
    const revoked = await sync();
    assert.equal(revoked.code, 4);
    assert.match(revoked.stderr, /SIGNATURE_INVALID/);
    await writeFile(host.directory.join("revoked"), "");
    await host.deploy({ "index.html": "3\n" }, { more: ["--signing-key", host.directory.join("foreign")] });
    assert.equal((await sync()).code, 4);
    await host.deploy({ "index.html": "4\n" });
    assert.match((await sync()).stderr, /not signed/);
  });
});

test("a repository that has brought nothing new for longer than max-age is warned of", async () => {
  await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
  await host.configure("max-age: 1h\n");
  await host.deploy({ "index.html": "1\n" });
  assert.doesNotMatch((await host.host("sync")).stderr, /max-age/);
  const tree = await git(host.repository, "rev-parse", "main^{tree}");
  const args = ["-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "Old", tree];
  const old = await output("git", args, {
    cwd: host.repository,
    env: { ...process.env, GIT_COMMITTER_DATE: "2020-01-01T00:00:00Z" },
  });
  await git(host.repository, "update-ref", "refs/heads/main", old);
  const ran = await host.host("sync");
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /nothing new for .* longer than max-age/);
});
