/** The text and the command lines for xl and albatross, which run nothing here. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DeployError } from "../../src/errors.ts";
import { albatrossBlocks, albatrossCreate, albatrossCreateBlock, staleBlocks } from "../../src/tender/albatross.ts";
import type { GuestSpec } from "../../src/tender/tender.ts";
import { domainKernel, xlConfig } from "../../src/tender/xl.ts";

const spec = (more: Partial<GuestSpec>): GuestSpec => ({
  kernel: "/state/releases/42-3f1c09d2a4b7/kernels/www.xen",
  target: "xen",
  devices: [
    { name: "service", type: "net" },
    { name: "storage", type: "block" },
    { name: "tls", type: "block" },
  ],
  memory: 64,
  args: ["--ipv4=10.0.0.2/24", "--name=a b"],
  blocks: [
    { device: "storage", volume: "data", file: "/state/releases/42-3f1c09d2a4b7/volumes/data, 1.img" },
    { device: "tls", volume: "tls", file: "/run/tls.img" },
  ],
  network: { kind: "tap", interfaces: { service: "br0" } },
  port: 80,
  ...more,
});
const refused = (work: () => unknown, message: RegExp) =>
  assert.throws(
    work,
    (error: unknown) => error instanceof DeployError && error.code === "LAUNCH_FAILED" && message.test(error.message),
  );

describe("xl", () => {
  test("writes a domain with read-only disks, target= last", () => {
    assert.equal(
      xlConfig(spec({}), "www"),
      `name = "www"
type = "pvh"
kernel = "/state/releases/42-3f1c09d2a4b7/kernels/www.xen"
cmdline = "--ipv4=10.0.0.2/24 --name=a b"
memory = 64
vcpus = 1
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
disk = [ "format=raw, vdev=xvdb, access=ro, target=/state/releases/42-3f1c09d2a4b7/volumes/data, 1.img", "format=raw, vdev=xvdc, access=ro, target=/run/tls.img" ]
vif = [ "bridge=br0" ]
`,
    );
    assert.match(xlConfig(spec({ target: "pv" }), "www"), /^type = "pv"$/m);
  });

  test("refuses what its configuration cannot carry", () => {
    refused(() => xlConfig(spec({ args: ['--x="'] }), "www"), /quote/);
    refused(() => xlConfig(spec({ args: ["a\nb"] }), "www"), /control character/);
    refused(() => xlConfig(spec({ args: ["x".repeat(2000)] }), "www"), /1024/);
    refused(() => xlConfig(spec({ target: "hvt" }), "www"), /xl runs/);
  });

  test("finds the kernel of a domain in a listing", () => {
    const listing = [{ domid: 3, config: { c_info: { name: "www" }, b_info: { kernel: "/k" } } }];
    assert.equal(domainKernel(JSON.stringify(listing)), "/k");
    assert.equal(domainKernel("not JSON"), undefined);
    assert.equal(domainKernel("[]"), undefined);
  });
});

describe("albatross", () => {
  const hvt = spec({ target: "hvt", kernel: "/k/www.hvt" });
  const blocks = albatrossBlocks(hvt, "www", "42-3f1c09d2a4b7", () => 1_500_000);

  test("gives each release blocks of its own names, in whole megabytes", () => {
    assert.deepEqual(
      blocks.map(({ name, megabytes }) => [name, megabytes]),
      [
        ["www-data-3f1c09d2a4b7", 2],
        ["www-tls-3f1c09d2a4b7", 2],
      ],
    );
    assert.deepEqual(albatrossCreateBlock(blocks[1] as (typeof blocks)[number]), [
      "albatross-client",
      "create-block",
      "www-tls-3f1c09d2a4b7",
      "2",
      "--data=/run/tls.img",
    ]);
    assert.deepEqual(albatrossCreate(hvt, "www", blocks), [
      "albatross-client",
      "create",
      "www",
      "/k/www.hvt",
      "--mem=64",
      "--net=service:br0",
      "--block=storage:www-data-3f1c09d2a4b7",
      "--block=tls:www-tls-3f1c09d2a4b7",
      "--arg=--ipv4=10.0.0.2/24",
      "--arg=--name=a b",
    ]);
  });

  test("knows its own blocks of other releases, and nobody else's", () => {
    const listing =
      "block www-data-3f1c09d2a4b7 2 MB\nblock www-data-8be2f7710c55 2 MB\nblock my-www-data-8be2f7710c55\n";
    assert.deepEqual(staleBlocks(listing, "www", "42-3f1c09d2a4b7"), ["www-data-8be2f7710c55"]);
  });

  test("refuses other targets and names", () => {
    refused(() => albatrossCreate(spec({}), "www", []), /albatross runs/);
    refused(() => albatrossCreate(hvt, "www site", blocks), /no name/);
    refused(() => albatrossCreate({ ...hvt, network: { kind: "user" } }, "www", blocks), /no bridge/);
  });
});
