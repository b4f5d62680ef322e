/** Credentials: given where they are asked for, and nowhere else. The registry is docker's own. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { registryFor } from "../../src/destination/oci/access.ts";
import { DeployError } from "../../src/errors.ts";
import { credentialsFor } from "../../src/registry/docker-config.ts";
import { openRegistry } from "../../src/registry/registry.ts";
import { silentLog } from "../../src/util/log.ts";
import { serve } from "../support/http.ts";
import { HTPASSWD, noRegistry, startRegistry } from "../support/registry.ts";
import { tempDir } from "../support/temp.ts";
import { tokenServer } from "../support/token-server.ts";

const BYTES = Buffer.from("some bytes");
const DIGEST = `sha256:${createHash("sha256").update(BYTES).digest("hex")}`;
const blob = {
  digest: DIGEST,
  size: BYTES.length,
  async *open() {
    yield BYTES;
  },
};
const PASSWORD = "secret-token";
const basic = (password: string) => `Basic ${Buffer.from(`deployer:${password}`).toString("base64")}`;

/** The registry names actions in any order. */
const inOrder = (scope: string) => scope.replace(/[^:]*$/, (actions) => actions.split(",").sort().join());

const denied = (hint: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DeployError);
  assert.equal(error.code, "REPOSITORY_DENIED");
  assert.match(`${error.hint}`, hint);
  assert.ok(!`${error.message} ${error.problems.join()}`.includes(PASSWORD), "the token is in the message");
  return true;
};

describe("a registry with user names", { skip: noRegistry }, () => {
  test("is given the name and token, which stand in no message", async () => {
    await using dir = await tempDir("auth");
    await writeFile(dir.join("htpasswd"), HTPASSWD);
    await using server = await startRegistry({ auth: `  htpasswd: {realm: test, path: ${dir.join("htpasswd")}}\n` });
    const open = (userinfo?: string) =>
      openRegistry({ address: server.address("site/www", userinfo), env: {}, log: silentLog });
    const registry = open(`deployer:${PASSWORD}`);
    assert.ok(!registry.address.includes(PASSWORD));
    assert.equal(await registry.putBlob(blob), BYTES.length);
    assert.ok(server.requests.some(({ authorization }) => authorization === basic(PASSWORD)));
    await assert.rejects(open("deployer:wrong").putBlob(blob), denied(/token that may/));
    await assert.rejects(open().putBlob(blob), denied(/UNIKERNEL_DEPLOY_TOKEN/));
  });

  test("is given what docker login left, where no token is given", async () => {
    await using dir = await tempDir("auth");
    await writeFile(dir.join("htpasswd"), HTPASSWD);
    await using server = await startRegistry({ auth: `  htpasswd: {realm: test, path: ${dir.join("htpasswd")}}\n` });
    await mkdir(dir.join("docker"));
    const auth = Buffer.from(`deployer:${PASSWORD}`).toString("base64");
    await writeFile(dir.join("docker/config.json"), JSON.stringify({ auths: { [server.host]: { auth } } }));
    const inputs = { repository: server.address("site/www"), directory: dir.path, log: silentLog };
    const registry = registryFor({ ...inputs, env: { DOCKER_CONFIG: dir.join("docker") } });
    assert.equal(await registry.putBlob(blob), BYTES.length);
    server.reset();
    // The job's own token is for the registry of its own server.
    const job = registryFor({ ...inputs, token: "ghs_0123456789", env: { DOCKER_CONFIG: dir.join("nothing") } });
    await assert.rejects(job.putBlob(blob), denied(/UNIKERNEL_DEPLOY_TOKEN/));
    assert.deepEqual([...new Set(server.requests.map(({ authorization }) => authorization))], [undefined]);
  });
});

describe("a registry with tokens", { skip: noRegistry }, () => {
  test("sends us to its token service, which alone sees the password", async () => {
    await using tokens = await tokenServer(PASSWORD);
    await using server = await startRegistry({ auth: tokens.auth });
    const address = server.address("site/www", `deployer:${PASSWORD}`);
    const registry = openRegistry({ address, env: {}, log: silentLog });
    assert.equal(await registry.putBlob(blob), BYTES.length);
    const chunks = [];
    for await (const chunk of registry.readBlob(blob)) chunks.push(chunk);
    assert.deepEqual(Buffer.concat(chunks), BYTES);
    assert.deepEqual(
      tokens.requests.map(({ service, scopes, authorization }) => [service, scopes.map(inOrder), authorization]),
      [
        ["test-registry", ["repository:site/www:pull"], basic(PASSWORD)],
        ["test-registry", ["repository:site/www:pull,push"], basic(PASSWORD)],
      ],
    );
    for (const { authorization } of server.requests) assert.match(authorization ?? "Bearer ", /^Bearer /);
  });

  test("gets another token when the first has run out", async () => {
    await using tokens = await tokenServer(PASSWORD);
    await using server = await startRegistry({ auth: tokens.auth });
    const address = server.address("site/www", `deployer:${PASSWORD}`);
    const registry = openRegistry({ address, env: {}, log: silentLog });
    await registry.putBlob(blob);
    const realm = /realm: ("[^"]*")/.exec(tokens.auth)?.[1];
    let expired = true;
    server.fault = () => {
      if (!expired) return undefined;
      expired = false;
      return {
        status: 401,
        headers: { "www-authenticate": `Bearer realm=${realm},service="test-registry",error="invalid_token"` },
      };
    };
    assert.ok(await registry.hasBlob(DIGEST));
    assert.deepEqual(tokens.requests.at(-1)?.scopes, ["repository:site/www:pull"]);
  });

  test("is read without credentials where anybody may, and says what is missing for more", async () => {
    await using tokens = await tokenServer(PASSWORD, { anonymousRead: true });
    await using server = await startRegistry({ auth: tokens.auth });
    const registry = openRegistry({ address: server.address("site/www"), env: {}, log: silentLog });
    assert.equal(await registry.hasBlob(DIGEST), false);
    await assert.rejects(registry.putBlob(blob), denied(/docker login/));
    const wrong = openRegistry({ address: server.address("site/www", "deployer:wrong"), env: {}, log: silentLog });
    await assert.rejects(wrong.putBlob(blob), denied(/packages: write/));
  });
});

describe("a deploy", { skip: noRegistry }, () => {
  test("asks for the right to write from the start, and reads with less where it has not got it", async () => {
    await using tokens = await tokenServer(PASSWORD);
    await using server = await startRegistry({ auth: tokens.auth });
    const repository = server.address("site/www", `deployer:${PASSWORD}`);
    const registry = registryFor({ repository, directory: "/", log: silentLog, env: {} });
    assert.deepEqual(await registry.tags(), []);
    assert.equal(await registry.putBlob(blob), BYTES.length);
    assert.deepEqual(tokens.requests[0]?.scopes, ["repository:site/www:pull,push"]);
    tokens.refuse = (scope) => scope.includes("push");
    const reader = registryFor({ repository, directory: "/", log: silentLog, env: {} });
    assert.ok(await reader.hasBlob(DIGEST));
    await assert.rejects(reader.putBlob({ ...blob, digest: DIGEST.replace(/.$/, "0") }), denied(/packages: write/));
  });
});

describe("credentials", () => {
  test("do not follow a redirect, nor go to a token service that is not to be trusted", async () => {
    const seen: (string | undefined)[] = [];
    await using storage = await serve(async (request, response) => {
      seen.push(request.headers.authorization);
      response.end(BYTES);
    });
    let challenge = 'Basic realm="x"';
    let location = `${storage.url}/blob`;
    await using front = await serve(async (request, response) => {
      if (!request.headers.authorization) response.writeHead(401, { "www-authenticate": challenge }).end();
      else response.writeHead(307, { location }).end();
    });
    const address = `oci://deployer:${PASSWORD}@${front.url.slice("http://".length)}/www`;
    const read = async () => {
      const chunks = [];
      const registry = openRegistry({ address, env: {}, log: silentLog });
      for await (const chunk of registry.readBlob(blob)) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    assert.deepEqual(await read(), BYTES);
    assert.deepEqual(seen, [undefined]);
    location = "http://192.0.2.1/blob";
    await assert.rejects(read(), (error: unknown) => (error as DeployError).code === "REPOSITORY_UNREACHABLE");
    for (const realm of ["http://192.0.2.1/token", "ftp://127.0.0.1/", "https://user:word@example.org/", "nonsense"]) {
      challenge = `Bearer realm="${realm}",service="x"`;
      await assert.rejects(read(), denied(/realm/), realm);
    }
  });

  test("come from docker's file for the very host, and not from its helpers", () => {
    const auth = Buffer.from("me:my:word").toString("base64");
    const found = { kind: "found", credentials: { username: "me", password: "my:word" } };
    const file = (value: unknown) => JSON.stringify(value);
    assert.deepEqual(credentialsFor("ghcr.io", file({ auths: { "ghcr.io": { auth } } })), found);
    assert.deepEqual(credentialsFor("docker.io", file({ auths: { "https://index.docker.io/v1/": { auth } } })), found);
    assert.equal(credentialsFor("evil.io", file({ auths: { "ghcr.io": { auth } } })).kind, "none");
    assert.equal(credentialsFor("ghcr.io", file({ auths: { "ghcr.io": {} }, credsStore: "desktop" })).kind, "helper");
    assert.equal(credentialsFor("ghcr.io", file({ credHelpers: { "ghcr.io": "gh" } })).kind, "helper");
    for (const text of ["", "[]", "null", '{"auths": 1}', '{"auths": {"ghcr.io": {"auth": 7}}}']) {
      assert.notEqual(credentialsFor("ghcr.io", text).kind, "found", text);
    }
  });
});
