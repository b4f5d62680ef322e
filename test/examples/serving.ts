// What every example kernel must do once it listens, whatever it runs on.
import assert from "node:assert/strict";
import http from "node:http";
import { exchange, expectedPaths, type Running, request } from "./harness.ts";

const long = `${"deep/".repeat(12)}${"n".repeat(90)}.html`;

/** A small site with the awkward cases in it. The big file spans several of the kernel's 64 KiB cache chunks. */
export const site: Record<string, string | Buffer> = {
  "index.html": "<!doctype html><title>home</title>\n",
  "docs/index.html": "<!doctype html><title>docs</title>\n",
  "docs/style.css": "body { margin: 0 }\n",
  "empty.txt": "",
  "with space & percent%.txt": "odd name\n",
  "größe.txt": "not ASCII\n",
  [long]: "a name of more than 100 bytes\n",
  "big.bin": Buffer.from(Array.from({ length: 700_001 }, (_, i) => (i * 31 + (i >> 8) * 7) & 255)),
};

export async function checkServing(running: Running): Promise<void> {
  await running.until(/listening on/);
  const { port } = running;
  assert.ok(long.length > 100);

  // Every file, and each index.html as its directory, over two kept-alive connections and no more.
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  let connections = 0;
  agent.on("free", (socket) => {
    if (!(socket as { counted?: boolean }).counted) connections++;
    (socket as { counted?: boolean }).counted = true;
  });
  try {
    const answers = await Promise.all(
      expectedPaths(site).map(async ([target, body]) => ({
        target,
        body,
        got: await request(port, target, { agent }),
      })),
    );
    for (const { target, body, got } of answers) {
      assert.equal(got.status, 200, target);
      assert.equal(got.headers["content-length"], `${body.length}`, target);
      assert.ok(got.body.equals(body), `${target}: ${got.body.length} bytes differ from the ${body.length} expected`);
    }
    assert.ok(connections >= 1 && connections <= 2, `${connections} connections`);

    const home = await request(port, "/", { agent });
    assert.match(home.headers["content-type"] ?? "", /^text\/html/);
    const style = await request(port, "/docs/style.css?v=1", { agent });
    assert.match(style.headers["content-type"] ?? "", /^text\/css/);

    const head = await request(port, "/big.bin", { method: "HEAD", agent });
    assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "700001", 0]);

    for (const target of ["/missing.html", "/docs/missing/", "/index.html/", "/docs/../index.html", "/INDEX.HTML"])
      assert.equal((await request(port, target, { agent })).status, 404, target);
    const redirect = await request(port, "/docs", { agent });
    assert.deepEqual([redirect.status, redirect.headers.location], [301, "/docs/"]);
    assert.equal((await request(port, "/", { method: "POST", agent })).status, 501);
  } finally {
    agent.destroy();
  }

  const get = (target: string, fields: string) => exchange(port, `GET ${target} HTTP/1.1\r\n${fields}\r\n`);
  const close = "Host: x\r\nConnection: close\r\n";
  assert.match(await get("/%zz", close), /^HTTP\/1\.1 400 /);
  assert.match(await get("/%00", close), /^HTTP\/1\.1 400 /);
  assert.match(await get("/", "Connection: close\r\n"), /^HTTP\/1\.1 400 /);
  assert.match(await exchange(port, "nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
  assert.match(await exchange(port, "GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 [^]*home/);
  // Two requests in one packet are answered in order.
  const both = await exchange(port, `GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /docs/ HTTP/1.1\r\n${close}\r\n`);
  assert.match(both, /<title>home[^]*<title>docs/);
}
