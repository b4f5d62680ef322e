/** The client of OCI registries: what it sends, what it believes, and what it says when a registry refuses. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DeployError } from "../../src/errors.ts";
import { parseAddress } from "../../src/registry/address.ts";
import { parseChallenge } from "../../src/registry/challenge.ts";
import { refusal } from "../../src/registry/refusal.ts";
import { openRegistry, type Registry } from "../../src/registry/registry.ts";
import { retryAfter, waitBefore } from "../../src/registry/retry.ts";
import { silentLog } from "../../src/util/log.ts";
import type { Fault } from "../support/faults.ts";
import { sendJson, serve } from "../support/http.ts";
import { noRegistry, type RegistryRequest, startRegistry } from "../support/registry.ts";

const open = (address: string) => openRegistry({ address, env: {}, log: silentLog, random: () => 0 });
const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const blobOf = (bytes: Buffer) => ({
  digest: digestOf(bytes),
  size: bytes.length,
  async *open() {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  },
});
const fails =
  (code: string, hint = /./) =>
  (error: unknown) =>
    error instanceof DeployError && error.code === code && hint.test(`${error.message} ${error.hint}`);

async function read(registry: Registry, blob: { digest: string; size: number }): Promise<Buffer> {
  const chunks = [];
  for await (const chunk of registry.readBlob(blob)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Puts a fault on the first requests that match, and lets the others pass. */
function firstOf(times: number, matches: (request: RegistryRequest) => boolean, fault: Fault) {
  let left = times;
  return (request: RegistryRequest) => (matches(request) && left-- > 0 ? fault : undefined);
}

const LARGE = Buffer.alloc(3_000_000, "some bytes that are not all the same\n");

describe("blobs", { skip: noRegistry }, () => {
  test("go on where the connection was cut", async () => {
    await using server = await startRegistry();
    const registry = open(server.address("www"));
    const blob = blobOf(LARGE);
    await registry.putBlob(blob);
    server.reset();
    const isGet = ({ method }: RegistryRequest) => method === "GET";
    server.fault = firstOf(2, isGet, { cutAfterBytes: 1_000_000, direction: "response" });
    assert.deepEqual(await read(registry, blob), LARGE);
    const gets = server.requests.filter(isGet);
    assert.deepEqual(
      gets.map(({ status }) => status),
      [200, 206, 206],
    );
    const transferred = gets.reduce((sum, { bytesOut }) => sum + bytesOut, 0);
    assert.ok(transferred < LARGE.length + 500_000, `${transferred} bytes`);
  });

  test("are sent again where the connection was cut, or the registry stumbled", async () => {
    await using server = await startRegistry();
    const registry = open(server.address("www"));
    const isPut = ({ method }: RegistryRequest) => method === "PUT";
    const faults: Fault[] = [
      { cutAfterBytes: 100_000, direction: "request" },
      { status: 503 },
      { status: 429, headers: { "retry-after": "1" } },
    ];
    for (const [i, fault] of faults.entries()) {
      server.fault = firstOf(1, isPut, fault);
      const blob = blobOf(Buffer.concat([LARGE, Buffer.from(`${i}`)]));
      assert.equal(await registry.putBlob(blob), blob.size);
      assert.equal(await registry.putBlob(blob), 0);
      assert.ok(await registry.hasBlob(blob.digest));
    }
  });

  test("are waited for where a manifest comes before the registry finds them", async () => {
    await using server = await startRegistry();
    const registry = open(server.address("www"));
    const late = blobOf(Buffer.from("{}"));
    const { digest, size } = late;
    const config = { mediaType: "application/vnd.oci.empty.v1+json", digest, size };
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [config] }));
    const put = registry.putManifest("latest", manifest, mediaType);
    while (!server.requests.some(({ status }) => status === 400 || status === 404)) await sleep(10);
    await registry.putBlob(late);
    await put;
    assert.ok(await registry.readManifest("latest"));
  });

  test("that are others than promised are refused", async () => {
    await using server = await startRegistry();
    const registry = open(server.address("www"));
    const blob = blobOf(LARGE);
    await registry.putBlob(blob);
    await assert.rejects(read(registry, { ...blob, size: blob.size - 1 }), fails("DIGEST_MISMATCH", /found more/));
    await assert.rejects(read(registry, { ...blob, size: blob.size + 1 }), fails("DIGEST_MISMATCH", /bytes, found/));
    const hex = blob.digest.slice("sha256:".length);
    const file = path.join(server.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
    const bytes = await readFile(file);
    bytes[1_234_567] = 0;
    await writeFile(file, bytes);
    await assert.rejects(read(registry, blob), fails("DIGEST_MISMATCH", /that digest, found sha256:/));
    await assert.rejects(read(registry, { digest: "sha256:../../x", size: 1 }), fails("DIGEST_MISMATCH"));
    const missing = blobOf(Buffer.from("never sent"));
    await assert.rejects(read(registry, missing), fails("RELEASE_MISSING"));
  });

  test("that change while they are sent are not stored", async () => {
    await using server = await startRegistry();
    const registry = open(server.address("www"));
    const blob = { ...blobOf(LARGE), digest: digestOf(Buffer.from("before")) };
    await assert.rejects(registry.putBlob(blob), fails("FILE_CHANGED"));
    assert.ok(!(await registry.hasBlob(blob.digest)));
    assert.ok(
      !(await readdir(server.storage, { recursive: true })).some((name) => name.includes(blob.digest.slice(7))),
    );
  });
});

describe("what a registry answers", () => {
  test("is not waited for at a port that no request goes to", async () => {
    const told: string[] = [];
    const log = { ...silentLog, info: (text: string) => void told.push(text) };
    const registry = openRegistry({ address: "oci://localhost:1/www", env: {}, log, random: () => 0 });
    await assert.rejects(registry.tags(), fails("REPOSITORY_UNREACHABLE", /bad port/));
    assert.deepEqual(told, []);
  });

  test("is bounded, and taken for what it is", async () => {
    const answers = new Map<
      string,
      (page: number) => [status: number, body: unknown, headers?: Record<string, string>]
    >([
      [
        "/v2/paged/tags/list",
        (page) => [200, { tags: [`t${page}`, 7, "not/a/tag"] }, link(page < 3 ? page + 1 : undefined)],
      ],
      ["/v2/endless/tags/list", (page) => [200, { tags: [] }, link(page + 1)]],
      ["/v2/null/tags/list", () => [200, { tags: null }]],
      ["/v2/list/tags/list", () => [200, []]],
      ["/v2/away/tags/list", () => [200, { tags: ["a"] }, { link: '<https://192.0.2.1/x>; rel="next"' }]],
      ["/v2/huge/manifests/latest", () => [200, "x".repeat(5_000_000)]],
      ["/v2/page/tags/list", () => [200, undefined]],
    ]);
    function link(page: number | undefined): Record<string, string> {
      return page === undefined ? {} : { link: `<?n=1000&page=${page}>; rel="next"` };
    }
    await using server = await serve(async (request, response) => {
      const url = new URL(request.url ?? "", "http://x");
      const answer = answers.get(url.pathname);
      if (!answer) return sendJson(response, 404, { errors: [{ code: "NAME_UNKNOWN" }] });
      const [status, body, headers] = answer(Number(url.searchParams.get("page") ?? 0));
      if (body === undefined) response.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome</html>");
      else sendJson(response, status, body, headers);
    });
    const at = (name: string) => open(`oci://${server.url.slice("http://".length)}/${name}`);
    assert.deepEqual(await at("paged").tags(), ["t0", "t1", "t2", "t3"]);
    assert.deepEqual(await at("null").tags(), []);
    assert.deepEqual(await at("list").tags(), []);
    assert.deepEqual(await at("unknown").tags(), []);
    assert.deepEqual(await at("away").tags(), ["a"]);
    assert.equal(await at("unknown").readManifest("latest"), undefined);
    await assert.rejects(at("endless").tags(), fails("REPOSITORY_UNREACHABLE", /pages/));
    await assert.rejects(at("huge").readManifest("latest"), fails("IO_FAILED", /more than/));
    await assert.rejects(at("page").tags(), fails("REPOSITORY_UNREACHABLE", /is this the address of an OCI registry/));
  });

  test("is one error with cause and remedy where it refuses", () => {
    const asked = { address: "oci://r/www", purpose: "manifest latest", authorized: true } as const;
    const said = (code: string, message = "") => JSON.stringify({ errors: [{ code, message }] });
    const table = [
      ["push", 401, said("UNAUTHORIZED"), "REPOSITORY_DENIED", /token that may do this/],
      ["push", 403, said("DENIED", "permission_denied: write_package"), "REPOSITORY_DENIED", /packages: write/],
      ["push", 403, said("DENIED", "quota exceeded"), "PUSH_REJECTED", /no room/],
      ["push", 413, "<html>too large</html>", "PUSH_REJECTED", /larger than/],
      ["push", 404, said("NAME_UNKNOWN"), "REPOSITORY_UNREACHABLE", /created first/],
      ["pull", 404, said("BLOB_UNKNOWN"), "RELEASE_MISSING", /--force/],
      ["delete", 405, said("UNSUPPORTED"), "PUSH_REJECTED", /retention/],
      ["push", 405, said("UNSUPPORTED"), "PUSH_REJECTED", /OCI 1.1/],
      ["push", 400, said("MANIFEST_INVALID"), "PUSH_REJECTED", /OCI 1.1/],
      ["push", 400, said("MANIFEST_BLOB_UNKNOWN"), "PUSH_REJECTED", /has taken, also when asked again/],
      ["push", 404, said("MANIFEST_BLOB_UNKNOWN"), "PUSH_REJECTED", /has taken, also when asked again/],
      ["push", 400, said("TAG_INVALID", "tag is immutable"), "PUSH_REJECTED", /immutable tags/],
      ["pull", 429, said("TOOMANYREQUESTS"), "REPOSITORY_UNREACHABLE", /few minutes/],
      ["pull", 502, "Bad\u0007 Gateway\nmore", "REPOSITORY_UNREACHABLE", /run again/],
      ["pull", 418, "", "REPOSITORY_UNREACHABLE", /OCI registry/],
    ] as const;
    for (const [kind, status, body, code, words] of table) {
      const error = refusal({ ...asked, kind }, status, body);
      assert.equal(error.code, code, `${kind} ${status}`);
      assert.match(`${error.message} ${error.hint}`, words);
      assert.ok(error.message.includes(String(status)));
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(error.message, /[\u0000-\u001f]|more$/);
    }
  });

  test("is waited for: longer each time, as long as it says, and never for ever", () => {
    assert.deepEqual(
      [1, 2, 3].map((tried) => waitBefore(tried, 0, 0.5)),
      [250, 500, 1000],
    );
    assert.equal(waitBefore(1, 5000, 0), 5000);
    assert.equal(waitBefore(1, 86_400_000, 1), 60_000);
    assert.equal(retryAfter(new Headers({ "retry-after": "7" })), 7000);
    const date = "Mon, 23 Nov 2026 00:00:00 GMT";
    assert.equal(retryAfter(new Headers({ date, "retry-after": "Mon, 23 Nov 2026 00:00:09 GMT" })), 9000);
    for (const value of ["-1", "soon", "1e9", ""])
      assert.equal(retryAfter(new Headers({ date, "retry-after": value })), 0);
  });
});

describe("addresses", () => {
  test("are those of registries, by https but for this machine", () => {
    const origins = [
      ["oci://ghcr.io/owner/www", "https://ghcr.io"],
      ["oci://localhost:5000/www", "http://localhost:5000"],
      ["oci://127.0.0.1/www", "http://127.0.0.1"],
      ["oci://[::1]:5000/www", "http://[::1]:5000"],
      ["oci://registry.example:5000/a/b_c/d.e", "https://registry.example:5000"],
      ["oci+http://registry.example/www", "http://registry.example"],
      ["oci://docker.io/me/www", "https://registry-1.docker.io"],
      ["oci://localhost.evil.example/www", "https://localhost.evil.example"],
      ["oci://127.0.0.1.evil.example/www", "https://127.0.0.1.evil.example"],
    ] as const;
    for (const [address, origin] of origins) assert.equal(parseAddress(address).origin, origin, address);
    const secret = parseAddress("oci://me:p%40ss@ghcr.io/www");
    assert.deepEqual(secret.credentials, { username: "me", password: "p@ss" });
    assert.equal(secret.text, "oci://ghcr.io/www");
    assert.deepEqual(parseAddress("oci://ghp_0123@ghcr.io/www").credentials, { username: "", password: "ghp_0123" });
    assert.deepEqual(parseAddress("oci://me@ghcr.io/www").credentials, { username: "me", password: "" });
  });

  test("that are none are refused with what is wrong", () => {
    const wrong = [
      ["oci://ghcr.io", /no name/],
      ["oci://ghcr.io/Owner/www", /lower case: oci:\/\/ghcr.io\/owner\/www/],
      ["oci://ghcr.io/owner/www:latest", /no tag or digest/],
      ["oci://ghcr.io/../x", /not the name/],
      ["oci://ghcr.io/a?b", /not the name/],
      ["oci://me:secret@/x", /host/],
      ["oci://-x/www", /host/],
      ["oci://a b/www", /host/],
      ["https://ghcr.io/www", /not the address/],
      ["oci://localhost:99999/www", /no host or port localhost:99999/],
      ["oci://999.999.999.999/www", /no host or port/],
      [`oci://ghcr.io/${"x".repeat(300)}`, /not the name/],
    ] as const;
    for (const [address, words] of wrong) {
      assert.throws(
        () => parseAddress(address),
        (error: unknown) => {
          assert.ok(fails("USAGE", words)(error), `${address}: ${String(error)}`);
          return !String(error).includes("secret");
        },
      );
    }
  });

  test("challenges are read as they are written", () => {
    const full = 'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:me/www:pull"';
    const read = {
      scheme: "bearer",
      realm: "https://ghcr.io/token",
      service: "ghcr.io",
      scope: "repository:me/www:pull",
    };
    assert.deepEqual(parseChallenge(full), read);
    assert.deepEqual(parseChallenge(`Basic realm="x", ${full}`), read);
    assert.deepEqual(parseChallenge('bearer Realm="a\\"b"'), {
      scheme: "bearer",
      realm: 'a"b',
      service: undefined,
      scope: undefined,
    });
    assert.deepEqual(parseChallenge("Basic"), { scheme: "basic" });
    for (const text of [null, "", "Negotiate", "Bearer", "Bearer service=x"])
      assert.equal(parseChallenge(text), undefined);
  });
});
