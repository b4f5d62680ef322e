/** docs/host.md's recipe for hosts that have no Node, run as it stands but for its three variables. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { output, run } from "../support/process.ts";
import { ROOT } from "../support/project.ts";
import { hosting, VIRTIO } from "./hosting.ts";

/** The shell blocks of the section, in order. */
async function recipe(): Promise<string[]> {
  const text = await readFile(path.join(ROOT, "docs/host.md"), "utf8");
  const section = text.slice(text.indexOf("\n## Without the program\n"));
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block as string);
}

describe("the recipe of docs/host.md", () => {
  for (const layout of ["image", "files"] as const) {
    for (const large of layout === "image" ? [false, true] : [false]) {
      test(`makes the manifest's image, layout ${layout}${large ? " in parts" : ""}`, async () => {
        await using host = await hosting({ kernel: VIRTIO, target: "virtio", layout });
        const key = host.directory.join("key");
        await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]);
        const signers = host.directory.join("signers");
        await writeFile(signers, `deploy ${await readFile(`${key}.pub`, "utf8")}`);
        await host.deploy(
          {
            "index.html": "one\n",
            "a b/ü.html": "two\n",
            [`${"d".repeat(80)}/${"f".repeat(90)}`]: "cut in two\n",
            "empty.txt": "",
            ...(large ? { "large.bin": "x".repeat(51 * 1024 * 1024) } : {}),
          },
          { more: ["--signing-key", key] },
        );
        const blocks = await recipe();
        const wanted =
          layout === "image" ? /data\.img\.parts|clone|grep|cat launch/ : /volumes\/data\n|clone|grep|cat launch/;
        const lines = blocks.filter((block) => wanted.test(block)).join("");
        const out = host.directory.join("out");
        await mkdir(out);
        const script = lines
          .replace(/^repository=.*$/m, `repository='${host.repository}'`)
          .replace(/^signers=.*$/m, `signers='${signers}'`)
          .replace(/^out=.*$/m, `out='${out}'`);
        assert.notEqual(script, lines);
        const ran = await run("sh", ["-eu", "-c", script]);
        assert.equal(ran.code, 0, ran.stderr);
        assert.match(ran.stdout, /Good "unikernel-deploy" signature for deploy/);
        assert.match(ran.stdout, /qemu-system-x86_64/);
        const manifest = JSON.parse(await readFile(path.join(out, "deployment/manifest.json"), "utf8")) as {
          volumes: [{ sha256: string }];
        };
        const image = await readFile(path.join(out, "data.img"));
        assert.equal(createHash("sha256").update(image).digest("hex"), manifest.volumes[0].sha256);
      });
    }
  }
});
