/** host up with a stand-in for xl, which keeps one domain in a file: create, list, destroy, and back again. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { CLI, ROOT } from "../support/project.ts";
import { hosting, up } from "./hosting.ts";

const XL = `#!/bin/sh
echo "$@" >> "$XL_DIRECTORY/log"
domain="$XL_DIRECTORY/domain"
case $1 in
  create)
    [ ! -e "$domain" ] || { echo "domain exists" >&2; exit 1; }
    sed -n 's/^kernel = "\\(.*\\)"$/[{"config":{"b_info":{"kernel":"\\1"}}}]/p' "$3" > "$domain" ;;
  list) [ -e "$domain" ] || exit 1; cat "$domain" ;;
  destroy) rm "$domain" ;;
esac
`;

test("domains are made, replaced, started again, and destroyed", async () => {
  await using host = await hosting({ kernel: path.join(ROOT, "examples/kernel/site.pvh"), target: "pvh" });
  await host.configure("poll: 1s\nlaunch: {tender: xl, net: {service: xenbr0}}\n");
  const bin = host.directory.join("bin");
  await mkdir(bin);
  await writeFile(path.join(bin, "xl"), XL, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env["PATH"]}`, XL_DIRECTORY: bin };
  const domain = path.join(bin, "domain");
  const one = await host.deploy({ "index.html": "one\n" });
  const supervisor = up(process.execPath, [CLI, "host", "up", "--config", host.config], host.directory.path, env);
  await using _ = supervisor;
  await supervisor.line(new RegExp(`release ${one.release}: current`));
  assert.ok(readFileSync(domain, "utf8").includes(one.release));
  const two = await host.deploy({ "index.html": "two\n" });
  await supervisor.line(new RegExp(`release ${two.release}: current`));
  assert.ok(readFileSync(domain, "utf8").includes(two.release));
  rmSync(domain);
  await supervisor.line(new RegExp(`release ${two.release}: failed`));
  await supervisor.line(new RegExp(`release ${two.release}: launched`));
  assert.ok(existsSync(domain));
  assert.equal(await supervisor.stop(), 0);
  assert.equal(existsSync(domain), false);
  const asked = readFileSync(path.join(bin, "log"), "utf8").split("\n");
  assert.equal(asked.filter((line) => line.startsWith("create")).length, 3);
});
