/** Lays an offered release out beside the others, every byte of it verified. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { inspectKernel } from "../kernel/kernel.ts";
import { openFile, writeAtomic } from "../util/files.ts";
import { assemble } from "./assemble.ts";
import type { HostContext } from "./context.ts";
import type { Offer } from "./offer.ts";
import { solo5Release } from "./tender-version.ts";
import { judgeAbi } from "./trust.ts";

/** Whether exactly this offer was verified before and is on disk. */
export function isStaged({ store }: HostContext, { name, print }: Offer): boolean {
  return store.has(name) && store.record().verified[name] === print;
}

/**
 * Verifies the offer and gives it its place; with `dryRun`, only verifies. Throws with exit code 4 for what is not as the
 * manifest says; nothing of it is left then.
 */
export async function stageOffer(context: HostContext, offer: Offer, options: { dryRun: boolean }): Promise<void> {
  const { store, log, onPhase } = context;
  const { name, tip, manifest, kernel } = offer;
  if (isStaged(context, offer)) return;
  const isHere = store.has(name) && store.record().verified[name] !== undefined;
  if (isHere) requireSameManifest(context, offer);
  onPhase?.("assemble", name);
  const directory = store.stage(name);
  try {
    const others = store
      .releases()
      .filter((other) => store.record().verified[other] !== undefined)
      .flatMap((other) => donor(store, other));
    await assemble({ tip, manifest, kernel, directory, others, onProgress: (what) => log.progress(what) });
    using source = openFile(path.join(directory, kernel.path));
    judgeAbi(kernel.target, inspectKernel(source).abiVersion, await solo5Release(context));
    if (options.dryRun) return;
    // What was verified is on record before it can be seen: a crash in between costs at most one more verification.
    recordVerified(context, offer);
    if (isHere) updateSignature(context, offer);
    else store.place(name);
  } finally {
    store.unstage(name);
  }
}

/** An older release to share images with; one that is damaged has nothing to give. */
function donor(store: HostContext["store"], name: string) {
  try {
    return [{ directory: store.release(name), manifest: store.manifest(name) }];
  } catch (error) {
    if (error instanceof DeployError) return [];
    throw error;
  }
}

/** A release never changes: a manifest of the same sequence and commit that says something else is somebody else's. */
function requireSameManifest({ store }: HostContext, { name, manifestBytes }: Offer): void {
  if (readFileSync(path.join(store.release(name), "manifest.json")).equals(manifestBytes)) return;
  throw new DeployError("RELEASE_UNTRUSTED", `the repository has another manifest for ${name} than the one verified`, {
    hint: "the running release is untouched; find out who changed the repository, then deploy again",
  });
}

/** All files are as they were; the manifest may have been signed again. */
function updateSignature({ store }: HostContext, { name }: Offer): void {
  const signature = "manifest.json.sig";
  try {
    const staged = readFileSync(path.join(store.release(`.${name}.tmp`), signature));
    writeAtomic(path.join(store.release(name), signature), staged, 0o444);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

function recordVerified({ store }: HostContext, { name, print, manifest }: Offer): void {
  const record = store.record();
  const verified = Object.fromEntries(Object.entries(record.verified).filter(([release]) => store.has(release)));
  store.writeRecord({
    ...record,
    newest: { sequence: manifest.sequence ?? 0, commit: manifest.source.commit },
    verified: { ...verified, [name]: print },
  });
}
