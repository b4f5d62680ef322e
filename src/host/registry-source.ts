/**
 * Releases from an OCI registry: the artifact manifest that a tag names, and the blobs that it lists. What a tag names is
 * asked for without its bytes, which costs a registry least; blobs are read only where no release here has them.
 */
import { decodeArtifact } from "../destination/oci/artifact.ts";
import { tagNames } from "../destination/oci/tags.ts";
import { DeployError } from "../errors.ts";
import { type Credentials, parseAddress } from "../registry/address.ts";
import { dockerCredentials } from "../registry/docker-config.ts";
import { openRegistry, type Registry } from "../registry/registry.ts";
import type { BlobReader } from "../util/git-blobs.ts";
import { BlobStore } from "./blob-store.ts";
import type { HostContext } from "./context.ts";
import type { ReleaseSource, Tip, TipFile } from "./source.ts";

/** Read at every look, so kept on disk. */
const READ_ALWAYS = ["manifest.json", "manifest.json.sig"];

/** Throws USAGE for an address that is none, CONFIG_INVALID for a branch or path that a registry has no place for. */
export function openRegistrySource(context: HostContext, signal: AbortSignal | undefined): ReleaseSource {
  const { config, env, log, store } = context;
  if (config.path !== "") {
    throw new DeployError("CONFIG_INVALID", `path: ${config.path}: a registry's repository has no directories`, {
      hint: "give each site a repository of its own: oci://REGISTRY/OWNER/SITE",
    });
  }
  const tag = tagNames(config.branch).newest;
  const registry = openRegistry({
    address: config.repository,
    credentials: givenCredentials(context),
    env,
    log,
    signal,
  });
  return {
    address: `${registry.address}:${tag}`,
    async fetch() {
      const blobs = new BlobStore(store.blobs);
      const { digest, bytes } = await readTip(registry, tag, blobs);
      const files = filesOf(bytes, registry.address);
      const id = digest.slice("sha256:".length);
      blobs.keepOnly(new Set([id, ...[...files.values()].map((file) => file.id)]));
      if (!blobs.readWhole(id)) blobs.write(id, bytes);
      return tipOf({ registry, blobs, digest, files });
    },
  };
}

/** For what the address itself does not have: the token of the environment, else what docker keeps for the registry. */
function givenCredentials({ config, env, log }: HostContext): Credentials | undefined {
  const token = env.UNIKERNEL_DEPLOY_TOKEN;
  if (token) return { username: "", password: token };
  const { host, credentials } = parseAddress(config.repository);
  return credentials?.password ? undefined : dockerCredentials(host, env, log);
}

/**
 * The artifact manifest that the tag names now; from disk where that is still the one we have. Asked for by its digest, it
 * is the one that the tag names, or refused.
 */
async function readTip(registry: Registry, tag: string, blobs: BlobStore): Promise<{ digest: string; bytes: Buffer }> {
  const named = await registry.resolve(tag);
  const kept = named === undefined ? undefined : blobs.readWhole(named.slice("sha256:".length));
  if (named !== undefined && kept) return { digest: named, bytes: kept };
  const found = await registry.readManifest(named ?? tag);
  if (found) return found;
  throw new DeployError("RELEASE_MISSING", `${registry.address} has no ${tag} yet`, {
    hint: "deploy a release first, or correct repository or branch in host.yml",
  });
}

/** Throws RELEASE_UNTRUSTED for what is no release of ours, or is one that nobody could have deployed. */
function filesOf(bytes: Buffer, address: string): ReadonlyMap<string, TipFile> {
  const files = new Map<string, TipFile>();
  const problems: string[] = [];
  for (const { path, digest, size } of layersOf(bytes, address).toSorted(byPath)) {
    if (files.has(path)) problems.push(`${path} stands twice`);
    const id = digest.slice("sha256:".length);
    files.set(path, { mode: "100644", id, size, sha256: id });
  }
  if (problems.length === 0) return files;
  throw untrusted(address, problems);
}

function layersOf(bytes: Buffer, address: string) {
  try {
    return decodeArtifact(bytes, address).layers;
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    throw untrusted(address, [error.message, ...error.problems], error);
  }
}

/** Bytewise, as git has them: the parts of a file come in order. */
const byPath = (a: { path: string }, b: { path: string }) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));

interface Fetched {
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly digest: string;
  readonly files: ReadonlyMap<string, TipFile>;
}

function tipOf({ registry, blobs, digest, files }: Fetched): Tip {
  return {
    revision: digest,
    committedAt: undefined,
    files,
    async read(wanted, reader) {
      for (const file of wanted) await readInto(reader, file, blobs.read(file, registry));
    },
    readRange: (file, offset, length) =>
      registry.readRange({ digest: `sha256:${file.id}`, size: file.size }, offset, length),
    async tidy() {
      const kept = READ_ALWAYS.flatMap((name) => files.get(name)?.id ?? []);
      blobs.keepOnly(new Set([digest.slice("sha256:".length), ...kept]));
    },
  };
}

async function readInto(reader: BlobReader, { id, size }: TipFile, content: AsyncIterable<Uint8Array>): Promise<void> {
  reader.begin(id, size);
  for await (const chunk of content) reader.chunk(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  reader.end();
}

function untrusted(address: string, problems: readonly string[], cause?: unknown): DeployError {
  return new DeployError("RELEASE_UNTRUSTED", `what ${address} offers is not a release that this program deployed`, {
    problems: problems.slice(0, 20),
    hint: "the running release is untouched; is repository in host.yml right, and who else may push to it?",
    cause,
  });
}
