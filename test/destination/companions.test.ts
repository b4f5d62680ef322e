/** A release in a registry, with all that goes along: signature, attestation, runnable images; and what goes with them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { registryDestination } from "../../src/destination/oci/companions.ts";
import { SIGNATURE_TYPE } from "../../src/destination/provenance.ts";
import { openRegistry, type Registry } from "../../src/registry/registry.ts";
import type { Release } from "../../src/release/release.ts";
import { silentLog } from "../../src/util/log.ts";
import { solo5Kernel } from "../support/elf.ts";
import { noRegistry, startRegistry } from "../support/registry.ts";
import { buildRelease } from "../support/release.ts";
import { tempDir } from "../support/temp.ts";
import { commitAt, options } from "./contract.ts";

const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGNED = options({ sign: async () => "-----BEGIN SSH SIGNATURE-----\n" });

async function releaseOf(directory: string, place: number, page = "the same"): Promise<Release> {
  const devices = [
    { name: "service", type: "net" },
    { name: "storage", type: "block" },
  ] as const;
  const release = await buildRelease(`${directory}/${place}`, {
    kernels: { "www.hvt": solo5Kernel({ devices }) },
    sites: { data: { "index.html": page } },
    devices: { data: "storage" },
  });
  return { ...release, manifest: { ...release.manifest, source: { commit: commitAt(place) } } };
}

interface Opening {
  readonly registry: Registry;
  readonly attestation?: string;
  readonly history?: number;
  readonly runnable?: boolean;
}

const open = ({ registry, attestation, history, runnable = true }: Opening) =>
  registryDestination({
    registry,
    branch: "main",
    runnable,
    attestation,
    history,
    log: silentLog,
    random: Math.random,
  });

describe("a release in a registry", { skip: noRegistry }, () => {
  test("is accompanied by its signature, its images, and an attestation that comes later", async () => {
    await using server = await startRegistry();
    await using directory = await tempDir("companions");
    const registry = openRegistry({ address: server.address("www"), env: {}, log: silentLog });
    const release = await releaseOf(directory.path, 1);
    const first = await open({ registry }).publish(release, SIGNED);
    assert.equal(first.outcome, "deployed");
    const types = async () =>
      (await registry.referrers(first.revision ?? "")).map(({ artifactType = "" }) => artifactType).toSorted();
    assert.deepEqual(await types(), ["application/vnd.unikernel-deploy.runnable.v1", SIGNATURE_TYPE]);
    const attestation = JSON.stringify({ mediaType: BUNDLE });
    const again = await open({ registry, attestation }).publish(release, SIGNED);
    assert.deepEqual([again.outcome, again.revision, again.images], ["unchanged", first.revision, first.images]);
    assert.deepEqual(await types(), [BUNDLE, "application/vnd.unikernel-deploy.runnable.v1", SIGNATURE_TYPE]);

    // What is named is there, and is the image itself.
    const [name, digest] = (first.images?.["hvt"] ?? "").split("@");
    assert.equal(name, `${server.host}/www`);
    const image = await registry.readManifest(digest ?? "");
    assert.equal(JSON.parse(String(image?.bytes)).layers.length, 3);
  });

  test("names the same image after a commit that changed nothing of it, and moves all its tags", async () => {
    await using server = await startRegistry();
    await using directory = await tempDir("companions");
    const registry = openRegistry({ address: server.address("www"), env: {}, log: silentLog });
    const first = await open({ registry }).publish(await releaseOf(directory.path, 1), options());
    const second = await open({ registry }).publish(await releaseOf(directory.path, 2), options());
    assert.deepEqual(second.images, first.images);
    for (const tag of ["runnable", "runnable-hvt"]) {
      const moved = await registry.readManifest(tag);
      const own = await registry.readManifest(`${tag}-${commitAt(2)}`);
      assert.ok(moved);
      assert.equal(moved.digest, own?.digest, tag);
    }
  });

  test("goes with all that came with it, and takes nothing of another", async () => {
    await using server = await startRegistry({ deletable: true });
    await using directory = await tempDir("companions");
    const registry = openRegistry({ address: server.address("www"), env: {}, log: silentLog });
    await open({ registry }).publish(await releaseOf(directory.path, 1), SIGNED);
    const second = await open({ registry, history: 1 }).publish(await releaseOf(directory.path, 2), SIGNED);
    const tags = await registry.tags();
    assert.deepEqual(
      tags.toSorted(),
      [
        "latest",
        "runnable",
        `runnable-${commitAt(2)}`,
        "runnable-hvt",
        `runnable-hvt-${commitAt(2)}`,
        `sequence-2-${commitAt(2)}`,
        second.revision?.replace(":", "-") ?? "",
        `source-${commitAt(2)}`,
      ].toSorted(),
    );
    for (const tag of tags) assert.ok(await registry.readManifest(tag), tag);
    const { digest } = JSON.parse(String((await registry.readManifest("runnable"))?.bytes)).manifests[0] as {
      digest: string;
    };
    assert.ok(await registry.readManifest(digest));
  });

  test("has no images where none are asked for", async () => {
    await using server = await startRegistry();
    await using directory = await tempDir("companions");
    const registry = openRegistry({ address: server.address("www"), env: {}, log: silentLog });
    const plain = await open({ registry, runnable: false }).publish(await releaseOf(directory.path, 1), options());
    assert.equal(plain.images, undefined);
    assert.deepEqual(
      (await registry.tags()).filter((tag) => /^runnable|^sha256/.test(tag)),
      [],
    );
  });

  test("is not begun with an attestation that is none", () => {
    const registry = openRegistry({ address: "oci://127.0.0.1:1/www", env: {}, log: silentLog });
    assert.throws(() => open({ registry, attestation: "{}" }), { code: "RELEASE_INVALID" });
  });
});
