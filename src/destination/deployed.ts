/** What is deployed now, and what that means for a release that comes: nothing to do, too late, or not to be done. */
import { DeployError } from "../errors.ts";
import { parseManifest } from "../manifest/manifest.ts";
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import type { Log } from "../util/log.ts";
import type { Deployed } from "./contents.ts";
import type { Published, PublishOptions } from "./destination.ts";
import type { Tip, Workbench } from "./work-repository.ts";

/** Where releases are in a deployment repository. */
export interface Place {
  /** The repository's address, for messages. */
  readonly url: string;
  /** Directory of the release, or "" for the root. */
  readonly path: string;
}

/** "" or "dir/": what every path of the release begins with. */
export const prefixOf = ({ path }: Pick<Place, "path">) => (path === "" ? "" : `${path}/`);

/** The manifest at the tip; undefined where there is none. Throws REPOSITORY_FOREIGN for somebody else's manifest.json. */
export async function readDeployed(work: Workbench, tip: Tip, place: Place): Promise<ReleaseManifest | undefined> {
  const file = `${prefixOf(place)}manifest.json`;
  if (!tip.tree.has(file)) return undefined;
  const bytes = await work.readFile(tip.commit, file);
  try {
    return bytes && parseManifest(bytes, file);
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    throw new DeployError("REPOSITORY_FOREIGN", `${place.url}: ${file} is not a release manifest of ours`, {
      problems: error.problems,
      hint: "deploy to an empty branch, or below a directory of its own (--path)",
      cause: error,
    });
  }
}

/** Throws REPOSITORY_FOREIGN where another site's release is in the place. */
export function refuseOtherSite(name: string, current: ReleaseManifest | undefined, place: Place): void {
  if (!current || current.name === name) return;
  throw new DeployError(
    "REPOSITORY_FOREIGN",
    `${place.path || "the root"} of ${place.url} holds the releases of "${current.name}", not of "${name}"`,
    { hint: "give each site a directory of its own (--path), or a repository of its own" },
  );
}

/** Throws REPOSITORY_FOREIGN where the branch is that of the source itself: a slip in the address, never a wish. */
export async function refuseSource(
  { source }: ReleaseManifest,
  tip: Tip | undefined,
  place: Place,
  { isAncestor }: PublishOptions,
): Promise<void> {
  if (!tip) return;
  if (tip.commit !== source.commit && (await isAncestor(tip.commit, source.commit)) !== true) return;
  throw new DeployError("REPOSITORY_FOREIGN", `${place.url} is where the source is, not a deployment repository`, {
    hint: "releases go to a repository (or a branch) of their own",
  });
}

/** Throws REPOSITORY_FOREIGN where files of others would have to go for the release to have its place. */
export function refuseInTheWay(inTheWay: readonly string[], place: Place): void {
  if (inTheWay.length === 0) return;
  throw new DeployError("REPOSITORY_FOREIGN", `${place.url} has something else where the release must be`, {
    problems: inTheWay.map((path) => `${path}: a file where a directory is needed, or a directory where a file is`),
    hint: "remove it, or deploy below another directory (--path)",
  });
}

/** The deploy of the same source commit that its tag remembers, where the tag's commit has a release in our place. */
export async function readTagged(
  work: Workbench,
  tagRef: string,
  place: Place,
): Promise<{ readonly commit: string; readonly manifest: ReleaseManifest } | undefined> {
  const commit = await work.fetchCommit(tagRef);
  const bytes = await work.readFile(commit, `${prefixOf(place)}manifest.json`);
  const manifest = bytes && parseManifest(bytes, `${tagRef}:manifest.json`);
  // In a repository of several sites the tag may be of a commit in which our place holds another release.
  return manifest && tagRef.endsWith(`/${manifest.source.commit}`) ? { commit, manifest } : undefined;
}

/** Throws RELEASE_CONFLICT naming every file of which the deployed release has other bytes. */
export function refuseOtherBytes(ours: ReleaseManifest, deployed: ReleaseManifest): void {
  const theirs = new Map(digests(deployed));
  const problems = digests(ours).flatMap(([file, digest]) => {
    const other = theirs.get(file);
    theirs.delete(file);
    return other === digest ? [] : [`${file}: sha256 ${digest} now, ${other ?? "not there"} as deployed`];
  });
  for (const file of theirs.keys()) problems.push(`${file}: deployed, and not in this build`);
  if (problems.length === 0) return;
  throw new DeployError("RELEASE_CONFLICT", `source commit ${ours.source.commit} was deployed with other bytes`, {
    problems,
    hint: "were all changes committed before this build? If so, the build is not reproducible: find out why, or use --force",
  });
}

function digests(manifest: ReleaseManifest): [string, string][] {
  return [
    ...manifest.kernels.map(({ path, sha256 }): [string, string] => [path, sha256]),
    ...manifest.volumes.filter(isDataVolume).map(({ name, sha256 }): [string, string] => [`volumes/${name}`, sha256]),
  ];
}

/** What is deployed, where its word can be taken: where we sign, our key has to have signed it. */
export async function ownDeployed(
  work: Pick<Workbench, "readFile">,
  tip: Tip,
  manifest: ReleaseManifest,
  { place, sign, isOwnSignature }: Pick<PublishOptions, "sign" | "isOwnSignature"> & { readonly place: Place },
): Promise<Deployed | undefined> {
  if (sign && (await signatureProblem(await signedIn(work, tip.commit, place), isOwnSignature)) !== undefined)
    return undefined;
  const prefix = prefixOf(place);
  return { manifest, blobId: (path) => tip.tree.get(prefix + path)?.id };
}

/** The bytes of a manifest and of its signature, as far as they are there. */
export interface Signed {
  readonly text: Uint8Array | undefined;
  readonly signature: Uint8Array | undefined;
}

/** Those of the release in a commit. */
export async function signedIn(work: Pick<Workbench, "readFile">, commit: string, place: Place): Promise<Signed> {
  const manifest = `${prefixOf(place)}manifest.json`;
  const text = await work.readFile(commit, manifest);
  return { text, signature: await work.readFile(commit, `${manifest}.sig`) };
}

/** Why a release is not as our key would have it. */
async function signatureProblem(
  { text, signature }: Signed,
  isOwnSignature: PublishOptions["isOwnSignature"],
): Promise<"not signed" | "signed with another key" | undefined> {
  if (!text || !signature) return "not signed";
  const isOurs = await isOwnSignature?.(Buffer.from(text).toString("utf8"), Buffer.from(signature).toString("latin1"));
  return isOurs ? undefined : "signed with another key";
}

/** Says of a release that stays as it is that our key has not signed it, where we would have. */
export async function warnOfSignature(
  log: Log,
  { sequence }: ReleaseManifest,
  read: () => Promise<Signed>,
  { sign, isOwnSignature }: PublishOptions,
): Promise<void> {
  const problem = sign && (await signatureProblem(await read(), isOwnSignature));
  if (problem) log.warning(`release ${sequence} is ${problem}; force deploys it again, signed with this one`);
}

export type Earlier = Pick<Published, "outcome" | "manifest" | "revision">;

/** Whether a release of a later source commit is deployed, as far as anybody here knows. */
export async function isSuperseded(
  ours: ReleaseManifest,
  current: ReleaseManifest | undefined,
  { isOlder }: PublishOptions,
): Promise<boolean> {
  return current !== undefined && (await isOlder(ours.source, current.source));
}
