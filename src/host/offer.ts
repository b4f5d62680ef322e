/** What the repository offers now: fetched, its signature checked, its manifest judged. Nothing of it is on disk yet. */
import path from "node:path";
import { DeployError } from "../errors.ts";
import { parseManifest } from "../manifest/manifest.ts";
import type { ManifestKernel, ReleaseManifest } from "../manifest/schema.ts";
import { formatDuration } from "../util/size.ts";
import { verifySignature } from "../util/signature.ts";
import type { HostContext } from "./context.ts";
import type { ReleaseSource, Tip } from "./source.ts";
import { solo5Release } from "./tender-version.ts";
import { fingerprint, judgeManifest } from "./trust.ts";

export interface Offer {
  /** The name of its directory: `<sequence>-<12 hex digits of the source commit>`. */
  readonly name: string;
  readonly manifest: ReleaseManifest;
  /** The bytes that were signed. */
  readonly manifestBytes: Buffer;
  readonly kernel: ManifestKernel;
  readonly tip: Tip;
  /** Digest over the ids of everything that the manifest names. */
  readonly print: string;
  readonly signer: string | undefined;
  /** What the operator should look into, though nothing is wrong with the release. */
  readonly warning: string | undefined;
}

export interface OfferOptions {
  readonly source: ReleaseSource;
  readonly allowDowngrade: boolean;
}

/** Throws with exit code 4 for what is not as promised; nothing has changed then but the mirror. */
export async function fetchOffer(context: HostContext, options: OfferOptions): Promise<Offer> {
  const { config, store, onPhase, log } = context;
  const { source, allowDowngrade } = options;
  onPhase?.("fetch", undefined);
  log.progress(`fetching ${source.address}`);
  const tip = await source.fetch();
  onPhase?.("verify", undefined);
  const manifestBytes = await readSmall(tip, "manifest.json");
  const signer = await checkSignature(tip, manifestBytes, context);
  const manifest = readManifest(manifestBytes);
  const kernel = judgeManifest(manifest, {
    name: config.name,
    target: config.target,
    arch: config.arch,
    newest: store.record().newest,
    allowDowngrade,
    solo5: await solo5Release(context),
  });
  const name = `${manifest.sequence}-${manifest.source.commit.slice(0, 12)}`;
  const print = fingerprint(manifest, tip.files);
  return { name, manifest, manifestBytes, kernel, tip, print, signer, warning: checkAge(context, tip) };
}

const MAX_READ = 16 * 1024 * 1024;

async function readSmall(tip: Tip, name: string): Promise<Buffer> {
  const file = tip.files.get(name);
  if (!file) {
    throw new DeployError("RELEASE_MISSING", `the repository has no ${name} here`, {
      hint: "is path right in host.yml, and has a release been deployed?",
    });
  }
  if (file.size > MAX_READ) throw new DeployError("RELEASE_UNTRUSTED", `${name} has ${file.size} bytes`);
  const chunks: Buffer[] = [];
  await tip.read([file], { begin() {}, chunk: (bytes) => chunks.push(Buffer.from(bytes)), end() {} });
  return Buffer.concat(chunks);
}

/** Who signed; undefined where no signature is asked for. Throws SIGNATURE_INVALID where one is and there is none. */
async function checkSignature(
  tip: Tip,
  manifest: Buffer,
  { config, directory, now }: HostContext,
): Promise<string | undefined> {
  const allowed = config["allowed-signers"];
  const revoked = config["revoked-signers"];
  if (allowed === undefined) return undefined;
  if (!tip.files.has("manifest.json.sig")) {
    throw new DeployError("SIGNATURE_INVALID", "the release is not signed, and host.yml asks for a signature", {
      hint: "deploy with a signing key, or remove allowed-signers knowingly",
    });
  }
  return verifySignature(manifest, await readSmall(tip, "manifest.json.sig"), {
    allowedSigners: path.resolve(directory, allowed),
    revokedSigners: revoked === undefined ? undefined : path.resolve(directory, revoked),
    at: now(),
  });
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

/**
 * Who can keep a host from seeing new releases keeps it on an old one with all its faults. Only time tells: a tip that
 * has not moved for longer than it ever should.
 */
function checkAge({ config, store, now }: HostContext, { revision, committedAt }: Tip): string | undefined {
  const record = store.record();
  const time = now().getTime();
  const seen = record.tip?.revision === revision ? record.tip.seen : time;
  if (record.tip?.revision !== revision) store.writeRecord({ ...record, tip: { revision, seen } });
  const limit = config["max-age"];
  const age = time - Math.min(seen, committedAt ?? seen);
  if (limit === undefined || age <= limit) return undefined;
  return `the repository has brought nothing new for ${formatDuration(age)}, longer than max-age: is it still deployed to, and is this it?`;
}
