/** What vouches for a release, found from it in a registry that has no referrers API, and kept by writers who meet there. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { attachReferrers } from "../../src/destination/attach.ts";
import {
  attestationReferrer,
  parseBundles,
  SIGNATURE_TYPE,
  signatureReferrer,
} from "../../src/destination/provenance.ts";
import { type Descriptor, IMAGE_MANIFEST } from "../../src/destination/runnable/oci.ts";
import { openRegistry, type Registry } from "../../src/registry/registry.ts";
import { sha256 } from "../../src/util/digest.ts";
import { silentLog } from "../../src/util/log.ts";
import { run } from "../support/process.ts";
import { noRegistry, startRegistry, type TestRegistry } from "../support/registry.ts";

const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const bundle = (text: string) => JSON.stringify({ mediaType: BUNDLE, dsseEnvelope: { payload: text } });
const SIGNATURE_TEXT = Buffer.from("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n");
const SIGNATURE = { digest: `sha256:${sha256(SIGNATURE_TEXT)}`, size: SIGNATURE_TEXT.length };
const attestationReferrers = (release: Descriptor, text: string) =>
  parseBundles(text).map((bundle) => attestationReferrer(release, bundle));
const RELEASE: Descriptor = { mediaType: IMAGE_MANIFEST, digest: `sha256:${"0".repeat(64)}`, size: 100 };

const clientOf = (registry: TestRegistry) =>
  openRegistry({ address: registry.address("www"), env: {}, log: silentLog });

/** A release as far as its referrers know it. */
async function pushRelease(client: Registry): Promise<Descriptor> {
  const [empty] = signatureReferrer(RELEASE, SIGNATURE).blobs;
  assert.ok(empty);
  for (const { bytes, ...name } of [empty, { ...SIGNATURE, bytes: SIGNATURE_TEXT }]) {
    await client.putBlob({
      ...name,
      async *open() {
        yield bytes;
      },
    });
  }
  const config = { mediaType: "application/vnd.oci.empty.v1+json", digest: empty.digest, size: 2 };
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: IMAGE_MANIFEST, artifactType: "application/x", config, layers: [] }),
  );
  return {
    mediaType: IMAGE_MANIFEST,
    digest: await client.putManifest("latest", bytes, IMAGE_MANIFEST),
    size: bytes.length,
  };
}

describe("what vouches for a release", { skip: noRegistry }, () => {
  test("is listed under the tag of its digest, and read back as it was", async () => {
    await using registry = await startRegistry();
    const client = clientOf(registry);
    const release = await pushRelease(client);
    const referrers = [signatureReferrer(release, SIGNATURE), ...attestationReferrers(release, bundle("one"))];
    await attachReferrers(client, referrers, release.digest);
    await attachReferrers(client, referrers, release.digest);

    // As any tool finds them that knows the fallback of distribution-spec 1.1.
    const tag = release.digest.replace(":", "-");
    const raw = await run("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/www:${tag}`]);
    const { manifests } = JSON.parse(raw.stdout) as { manifests: { digest: string; artifactType: string }[] };
    assert.deepEqual(
      manifests.map(({ artifactType }) => artifactType),
      [SIGNATURE_TYPE, BUNDLE],
    );
    const [found] = await client.referrers(release.digest, SIGNATURE_TYPE);
    const stored = await client.readManifest(found?.digest ?? "");
    const { layers, subject } = JSON.parse(String(stored?.bytes)) as {
      layers: { digest: string; size: number; annotations: Record<string, string> }[];
      subject: Descriptor;
    };
    assert.deepEqual(subject, release);
    assert.equal(layers[0]?.annotations["org.opencontainers.image.title"], "manifest.json.sig");
    const read: Uint8Array[] = [];
    for await (const chunk of client.readBlob(layers[0] as { digest: string; size: number })) read.push(chunk);
    assert.deepEqual(Buffer.concat(read), SIGNATURE_TEXT);
  });

  test("is not lost to another writer at the same time", async () => {
    await using registry = await startRegistry();
    const release = await pushRelease(clientOf(registry));
    const tag = release.digest.replace(":", "-");
    // One of them is slow to write the index: it has read it long before, and the other believes itself done.
    let slow = 0;
    registry.fault = ({ method, path }) =>
      method === "PUT" && path.endsWith(`/manifests/${tag}`) && slow++ === 0
        ? { bytesPerSecond: 2000, direction: "request" }
        : undefined;
    const writers = ["one", "two", "three"].map((name) =>
      attachReferrers(clientOf(registry), attestationReferrers(release, bundle(name)), release.digest),
    );
    await Promise.all(writers);
    const found = (await clientOf(registry).referrers(release.digest)).map(({ digest }) => digest);
    const expected = ["one", "two", "three"].flatMap((name) =>
      attestationReferrers(release, bundle(name)).map(({ manifest }) => `sha256:${sha256(manifest)}`),
    );
    assert.deepEqual(found.toSorted(), expected.toSorted());
  });
});

describe("attestations", () => {
  test("are one bundle, or one a line", () => {
    assert.equal(parseBundles(bundle("one")).length, 1);
    assert.equal(parseBundles(`${bundle("one")}\n${bundle("two")}\n`).length, 2);
    assert.equal(parseBundles(JSON.stringify(JSON.parse(bundle("one")), null, 2)).length, 1);
  });

  for (const [name, text] of [
    ["nothing", "\n"],
    ["no JSON", "hello"],
    ["JSON of something else", '{"mediaType":"text/plain"}'],
    ["a media type that is no text", '{"mediaType":["application/vnd.dev.sigstore.bundle.v0.3+json"]}'],
    ["null", "null"],
    ["one bundle and one that is none", `${bundle("one")}\n{}`],
    ["more than a bundle has", bundle("x".repeat(1024 * 1024))],
  ] as const) {
    test(`are refused for ${name}`, () => {
      assert.throws(() => parseBundles(text), { code: "RELEASE_INVALID" });
    });
  }
});
