/** Whether a manifest is one this host may run. Decides only; pure. */
import { DeployError } from "../errors.ts";
import { namedFiles } from "../manifest/manifest.ts";
import { isDataVolume, type ManifestKernel, type ReleaseManifest } from "../manifest/schema.ts";
import { acceptedAbi, isSolo5Target, solo5Releases } from "../kernel/solo5-releases.ts";
import type { Target } from "../kernel/target.ts";
import { sha256 } from "../util/digest.ts";
import type { TipFile } from "./source.ts";

export interface Expectations {
  /** The Solo5 release of the tender that runs guests here, where it is known. */
  readonly solo5?: string | undefined;
  readonly name: string;
  readonly target: string;
  readonly arch: string | undefined;
  /** The newest release this host has run. */
  readonly newest: { readonly sequence: number; readonly commit: string } | undefined;
  readonly allowDowngrade: boolean;
}

/** Throws RELEASE_UNTRUSTED or DOWNGRADE; returns the kernel to run. */
export function judgeManifest(manifest: ReleaseManifest, expected: Expectations): ManifestKernel {
  if (manifest.name !== expected.name) {
    throw untrusted(
      `the repository holds releases of "${manifest.name}", this host runs "${expected.name}"`,
      "correct name or repository in host.yml",
    );
  }
  if (manifest.sequence === undefined)
    throw untrusted("the manifest has no sequence: it was never deployed", "deploy it with unikernel-deploy");
  const incomplete = manifest.volumes.filter(isDataVolume).find(({ layout, commit }) => !layout && !commit);
  if (incomplete)
    throw untrusted(`volume ${incomplete.name} does not say how it is stored`, "deploy it with unikernel-deploy");
  const kernels = manifest.kernels.filter(
    ({ target, arch }) => target === expected.target && (expected.arch ?? arch) === arch,
  );
  if (kernels.length !== 1) {
    const there = manifest.kernels.map(({ target, arch }) => `${target} (${arch})`).join(", ") || "none";
    throw untrusted(
      `one kernel for target ${expected.target} is needed, the release has: ${there}`,
      "build a kernel for that target, or correct target (and arch) in host.yml",
    );
  }
  judgeSequence(manifest, manifest.sequence, expected);
  const kernel = kernels[0] as ManifestKernel;
  judgeAbi(kernel.target, kernel.abiVersion, expected.solo5);
  return kernel;
}

/** A tender runs kernels of its own ABI version only. Throws RELEASE_UNTRUSTED for another; says nothing without facts. */
export function judgeAbi(target: Target | null, abi: number | undefined, solo5: string | undefined): void {
  if (solo5 === undefined || abi === undefined || target === null || !isSolo5Target(target)) return;
  const accepted = acceptedAbi(target, solo5);
  if (accepted === abi) return;
  throw untrusted(
    `the kernel needs ABI version ${abi} (Solo5 ${solo5Releases(target, abi) ?? "of no known release"}), the tender here is Solo5 ${solo5} with version ${accepted ?? "none"}`,
    "install the tender that belongs to the kernel, or build with the Solo5 that belongs to the tender",
  );
}

function judgeSequence(manifest: ReleaseManifest, sequence: number, { newest, allowDowngrade }: Expectations): void {
  if (!newest || allowDowngrade) return;
  const replaced = sequence === newest.sequence && manifest.source.commit !== newest.commit;
  if (sequence >= newest.sequence && !replaced) return;
  throw new DeployError(
    "DOWNGRADE",
    `the repository offers release ${sequence} of ${manifest.source.commit.slice(0, 12)}, this host has run release ${newest.sequence} of ${newest.commit.slice(0, 12)}`,
    { hint: "somebody put an older release back; if that is meant, run once with --allow-downgrade" },
  );
}

/**
 * One digest over the ids of every file the manifest names, trees of layout `files` included: what has been verified
 * once is known by it again. Throws RELEASE_UNTRUSTED for a file that is missing or is not a plain file.
 */
export function fingerprint(manifest: ReleaseManifest, files: ReadonlyMap<string, TipFile>): string {
  const ids: string[] = [];
  const problems: string[] = [];
  const add = (path: string) => {
    const file = files.get(path);
    if (!file) problems.push(`${path}: named by the manifest, not in the repository`);
    else if (file.mode !== "100644") problems.push(`${path}: mode ${file.mode}, expected a plain file (100644)`);
    else ids.push(`${file.id} ${path}\n`);
  };
  add("manifest.json");
  if (files.has("manifest.json.sig")) add("manifest.json.sig");
  for (const { path } of namedFiles(manifest)) add(path);
  for (const { name, layout } of manifest.volumes.filter(isDataVolume)) {
    if (layout !== "files") continue;
    for (const path of files.keys()) {
      if (path.startsWith(`volumes/${name}/`) || path.startsWith(`volumes/${name}.parts/`)) add(path);
    }
  }
  if (problems.length === 0) return sha256(ids.sort().join(""));
  throw new DeployError("RELEASE_UNTRUSTED", "the release is not complete", {
    problems,
    hint: "the running release is untouched; find out who changed the repository, then deploy again",
  });
}

/** A file that is not what the manifest says. */
export function mismatch(name: string, found: string, expected: string): DeployError {
  return new DeployError("DIGEST_MISMATCH", `${name}: ${found}, the manifest says ${expected}`, {
    hint: "the running release is untouched; find out who changed the repository, then deploy again",
  });
}

function untrusted(message: string, hint: string): DeployError {
  return new DeployError("RELEASE_UNTRUSTED", message, { hint });
}
