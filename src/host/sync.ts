/** One pass: fetch what is new, verify all of it, lay it out, and make it current. */
import path from "node:path";
import { type Access, openAccess } from "../destination/access.ts";
import { DeployError } from "../errors.ts";
import type { HostConfig } from "../inputs/host.ts";
import { parseManifest } from "../manifest/manifest.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Log } from "../util/log.ts";
import { readBlobs } from "../util/git-blobs.ts";
import { verifySignature } from "../util/signature.ts";
import { assemble } from "./assemble.ts";
import { type HostLock, lockState } from "./lock.ts";
import { fetchMirror, type Mirror, tidyMirror } from "./mirror.ts";
import { type HostRecord, HostStore } from "./store.ts";
import { fingerprint, judgeManifest } from "./trust.ts";

export interface SyncOptions {
  readonly allowDowngrade: boolean;
  readonly dryRun: boolean;
  /** What relative paths in host.yml are relative to. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Text of the key file that host.yml names. */
  readonly sshKey: string | undefined;
  readonly knownHosts: string | undefined;
}

export interface Synced {
  /** `updated`: another release is current now. `current`: it was already. `planned`: a dry run stopped. */
  readonly outcome: "updated" | "current" | "planned";
  readonly manifest: ReleaseManifest;
  /** Commit in the deployment repository. */
  readonly revision: string;
  /** Absolute path of the release on this host. */
  readonly release: string;
  readonly signer: string | undefined;
}

/** Throws with exit code 4 for anything that is not what was promised; the current release is then untouched. */
export async function syncHost(config: HostConfig, options: SyncOptions): Promise<Synced> {
  const store = new HostStore(path.resolve(options.directory, config.state));
  using _lock: HostLock = lockState(store.directory);
  using access: Access = openAccess({
    ...options,
    repository: config.repository,
    token: options.env.UNIKERNEL_DEPLOY_TOKEN,
  });
  options.log.progress(`fetching ${access.url}`);
  const mirror = await fetchMirror({ access, directory: store.mirror, branch: config.branch, path: config.path });
  const bytes = await readFile(mirror, "manifest.json");
  const signer = await checkSignature(mirror, bytes, config, options);
  const manifest = readManifest(bytes);
  const record = store.record();
  const kernel = judgeManifest(manifest, {
    name: config.name,
    target: config.target,
    arch: config.arch,
    newest: record.newest,
    allowDowngrade: options.allowDowngrade,
  });
  const print = fingerprint(manifest, mirror.files);
  const name = `${manifest.sequence}-${manifest.source.commit.slice(0, 12)}`;
  const synced = { manifest, revision: mirror.commit, release: store.release(name), signer };
  const known = store.has(name) && record.verified[name] === print;
  if (known && store.current() === name) return { ...synced, outcome: "current" };
  if (!known) {
    const onProgress = (what: string) => options.log.progress(what);
    await stageRelease(store, name, (directory) => assemble({ mirror, manifest, kernel, directory, onProgress }));
  }
  if (options.dryRun) {
    store.unstage(name);
    return { ...synced, outcome: "planned" };
  }
  // What was verified is on record before it can be seen: a crash in between costs at most one more verification.
  store.writeRecord(nextRecord(store, record, name, print, manifest));
  if (!known) store.place(name);
  store.switchTo(name);
  store.collect(config.keep);
  await tidyMirror(mirror.git);
  return { ...synced, outcome: "updated" };
}

/** A release that turns out wrong leaves nothing behind. */
async function stageRelease(store: HostStore, name: string, fill: (directory: string) => Promise<void>): Promise<void> {
  const directory = store.stage(name);
  try {
    await fill(directory);
  } catch (error) {
    store.unstage(name);
    throw error;
  }
}

async function readFile(mirror: Mirror, name: string): Promise<Buffer> {
  const file = mirror.files.get(name);
  if (!file) {
    throw new DeployError("RELEASE_MISSING", `the repository has no ${name} here`, {
      hint: "is path right in host.yml, and has a release been deployed?",
    });
  }
  if (file.size > MAX_READ) throw new DeployError("RELEASE_UNTRUSTED", `${name} has ${file.size} bytes`);
  const chunks: Buffer[] = [];
  await readBlobs(mirror.git, [file.id], { begin() {}, chunk: (bytes) => chunks.push(Buffer.from(bytes)), end() {} });
  return Buffer.concat(chunks);
}

const MAX_READ = 16 * 1024 * 1024;

/** Who signed; undefined where no signature is asked for. Throws SIGNATURE_INVALID where one is and there is none. */
async function checkSignature(
  mirror: Mirror,
  manifest: Buffer,
  config: HostConfig,
  options: SyncOptions,
): Promise<string | undefined> {
  const allowed = config["allowed-signers"];
  if (allowed === undefined) return undefined;
  if (!mirror.files.has("manifest.json.sig")) {
    throw new DeployError("SIGNATURE_INVALID", "the release is not signed, and host.yml asks for a signature", {
      hint: "deploy with a signing key, or remove allowed-signers knowingly",
    });
  }
  return verifySignature(
    manifest,
    await readFile(mirror, "manifest.json.sig"),
    path.resolve(options.directory, allowed),
  );
}

/** A manifest from a repository is received, not configured: one that cannot be read is refused. */
function readManifest(bytes: Buffer): ReleaseManifest {
  try {
    return parseManifest(bytes, "manifest.json");
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    throw new DeployError("RELEASE_UNTRUSTED", error.message, {
      problems: error.problems,
      hint: error.hint,
      cause: error,
    });
  }
}

function nextRecord(
  store: HostStore,
  record: HostRecord,
  name: string,
  print: string,
  manifest: ReleaseManifest,
): HostRecord {
  const verified = Object.fromEntries(Object.entries(record.verified).filter(([release]) => store.has(release)));
  return {
    version: 1,
    newest: { sequence: manifest.sequence ?? 0, commit: manifest.source.commit },
    verified: { ...verified, [name]: print },
  };
}
