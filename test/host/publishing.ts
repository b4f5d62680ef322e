/** Puts what a deployment repository holds into a registry as it is, tampered with or not. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { encodeArtifact, type Layer } from "../../src/destination/oci/artifact.ts";
import type { ReleaseManifest } from "../../src/manifest/schema.ts";
import { openRegistry, type Registry } from "../../src/registry/registry.ts";
import { silentLog } from "../../src/util/log.ts";

export const IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

export const registryAt = (address: string): Registry => openRegistry({ address, env: {}, log: silentLog });

export async function put(registry: Registry, bytes: Buffer): Promise<Omit<Layer, "path">> {
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  await registry.putBlob({
    digest,
    size: bytes.length,
    async *open() {
      yield bytes;
    },
  });
  return { digest, size: bytes.length };
}

/** The tip of `main` under `latest`; the digest of its artifact manifest. */
export async function publish(repository: string, address: string, tag = "latest"): Promise<string> {
  const registry = registryAt(address);
  await put(registry, Buffer.from("{}"));
  const layers: Layer[] = [];
  for (const path of list(repository)) {
    if (path === "README.md") continue;
    layers.push({ path, ...(await put(registry, show(repository, path))) });
  }
  const bytes = encodeArtifact(manifestIn(repository), layers, "main");
  return registry.putManifest(tag, bytes, IMAGE_MANIFEST);
}

/** What an artifact's annotations are made of; a manifest that was tampered with has none of that. */
function manifestIn(repository: string): ReleaseManifest {
  const made = { name: "www", sequence: 1, source: { commit: "0".repeat(40) }, volumes: [] };
  try {
    const found = JSON.parse(show(repository, "manifest.json").toString("utf8")) as Partial<ReleaseManifest>;
    return { ...made, ...found } as unknown as ReleaseManifest;
  } catch {
    return made as unknown as ReleaseManifest;
  }
}

const list = (repository: string) =>
  spawnSync("git", ["ls-tree", "-r", "-z", "--name-only", "main"], { cwd: repository })
    .stdout.toString("utf8")
    .split("\0")
    .filter((path) => path !== "");

const show = (repository: string, path: string): Buffer =>
  spawnSync("git", ["cat-file", "blob", `main:${path}`], { cwd: repository, maxBuffer: 1 << 30 }).stdout;
