/** The deployment repository: one commit and one annotated tag per source commit, pushed together or not at all. */
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryLabel } from "../build/source.ts";
import { DeployError } from "../errors.ts";
import { parseManifest } from "../manifest/manifest.ts";
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import { blobId } from "../util/digest.ts";
import type { TreeEntry } from "../util/git.ts";
import type { Log } from "../util/log.ts";
import type { Access } from "./access.ts";
import { arrange, type Contents, type RepositoryFile } from "./contents.ts";
import type { Destination, Published, PublishOptions } from "./destination.ts";
import { deploymentReadme } from "./readme.ts";
import { openWorkRepository, type Refs, type Tip, type WorkRepository } from "./work-repository.ts";

export interface GitDestinationOptions {
  readonly access: Access;
  readonly branch: string;
  /** Directory of the release in the repository, or "" for its root. */
  readonly path: string;
  readonly log: Log;
  /** A number from 0 to 1, for waiting times that two losers of a race do not share. */
  readonly random: () => number;
}

/** Somebody else's push landing first is nothing unusual; this many in a row is. */
const MAX_ATTEMPTS = 20;

export function gitDestination(options: GitDestinationOptions): Destination {
  return {
    async deployed() {
      using work = await openWorkRepository(options.access);
      const { branch } = await work.refs(options.branch, "none");
      if (branch === undefined) return undefined;
      return readDeployed(work, await work.fetchBranch(branch), options);
    },
    async publish(release, publishing) {
      using work = await openWorkRepository(options.access);
      for (let attempt = 1; ; attempt++) {
        const published = await attemptPublish(work, release, options, publishing);
        if (published) return published;
        if (attempt === MAX_ATTEMPTS) {
          throw new DeployError("PUSH_REJECTED", `${MAX_ATTEMPTS} pushes in a row came second to another one`, {
            hint: "is something else pushing to this branch all the time? Run again when it has stopped",
          });
        }
        options.log.info(`another push landed first; trying again (${attempt})`);
        await sleep(options.random() * Math.min(5000, 100 * 2 ** attempt));
      }
    },
  };
}

/** One try at the branch as it is now; undefined when it moved meanwhile. */
async function attemptPublish(
  work: WorkRepository,
  release: Release,
  options: GitDestinationOptions,
  publishing: PublishOptions,
): Promise<Published | undefined> {
  const { log } = options;
  const tag = `source/${release.manifest.name}/${release.manifest.source.commit}`;
  const refs = await work.refs(options.branch, tag);
  const tip = refs.branch === undefined ? undefined : await work.fetchBranch(refs.branch);
  const current = tip && (await readDeployed(work, tip, options));
  refuseForeign(release, tip, current, options);
  const earlier = await earlierOutcome(work, release, refs, current, options, publishing);
  if (earlier) return { ...earlier, tag, changed: 0, removed: 0, bytes: 0, sent: undefined };

  const contents = await arrange(release, {
    layout: publishing.layout,
    sequence: (current?.sequence ?? 0) + 1,
    inParts: (volume) => tip?.tree.has(`${prefix(options)}volumes/${volume}.img.parts/0000`) === true,
    sign: publishing.sign,
  });
  const change = changes(contents, tip, current, options);
  const planned: Published = {
    outcome: "planned",
    manifest: contents.manifest,
    revision: undefined,
    tag,
    changed: change.added.length,
    removed: change.removed.length,
    bytes: change.added.reduce(
      (sum, { content }) => sum + ("bytes" in content ? content.bytes.length : content.size),
      0,
    ),
    sent: undefined,
  };
  if (publishing.dryRun) return planned;

  log.progress(`packing ${change.added.length} files`);
  await work.writeBlobs(change.newBlobs);
  const tree = await work.writeTree(tip, change.removed, change.added);
  const time = Math.max(publishing.now, tip?.time ?? 0);
  const message = commitMessage(contents.manifest);
  const commit = await work.commit(tree, tip?.commit, message, time);
  const tagObject = await work.tag(tag, commit, message, time);
  const onProgress = (text: string) => log.progress(text.split(/[\r\n]/).findLast((line) => line.trim() !== "") ?? "");
  const push = await work.push({
    branch: options.branch,
    commit,
    tag,
    tagObject,
    expected: refs,
    deltas: tip !== undefined,
    onProgress,
  });
  return push.kind === "raced" ? undefined : { ...planned, outcome: "deployed", revision: commit, sent: push.sent };
}

const prefix = ({ path }: GitDestinationOptions) => (path === "" ? "" : `${path}/`);

/** The manifest at the tip; undefined where there is none. Throws REPOSITORY_FOREIGN for somebody else's manifest.json. */
async function readDeployed(
  work: WorkRepository,
  tip: Tip,
  options: GitDestinationOptions,
): Promise<ReleaseManifest | undefined> {
  const file = `${prefix(options)}manifest.json`;
  if (!tip.tree.has(file)) return undefined;
  const bytes = await work.readFile(tip.commit, file);
  try {
    return bytes && parseManifest(bytes, file);
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    throw new DeployError("REPOSITORY_FOREIGN", `${options.access.url}: ${file} is not a release manifest of ours`, {
      problems: error.problems,
      hint: "deploy to an empty branch, or below a directory of its own (--path)",
      cause: error,
    });
  }
}

/** Throws REPOSITORY_FOREIGN where another site's release is in the place, or a file stands where a directory must be. */
function refuseForeign(
  release: Release,
  tip: Tip | undefined,
  current: ReleaseManifest | undefined,
  options: GitDestinationOptions,
): void {
  const where = options.path === "" ? "the root" : options.path;
  if (current && current.name !== release.manifest.name) {
    throw new DeployError(
      "REPOSITORY_FOREIGN",
      `${where} of ${options.access.url} holds the releases of "${current.name}", not of "${release.manifest.name}"`,
      { hint: "give each site a directory of its own (--path), or a repository of its own" },
    );
  }
  for (const directory of ["kernels", "volumes", "launch"]) {
    if (!tip?.tree.has(prefix(options) + directory)) continue;
    throw new DeployError("REPOSITORY_FOREIGN", `${where} of ${options.access.url} has a file called ${directory}`, {
      hint: "a release needs a directory of that name: remove the file, or deploy below another directory (--path)",
    });
  }
}

type Earlier = Pick<Published, "outcome" | "manifest" | "revision">;

/** Whether this source commit, or a later one, was deployed before. Throws RELEASE_CONFLICT for other bytes of it. */
async function earlierOutcome(
  work: WorkRepository,
  release: Release,
  refs: Refs,
  current: ReleaseManifest | undefined,
  options: GitDestinationOptions,
  publishing: PublishOptions,
): Promise<Earlier | undefined> {
  if (publishing.force) return undefined;
  const { manifest } = release;
  if (refs.tag !== undefined) {
    const tag = `refs/tags/source/${manifest.name}/${manifest.source.commit}`;
    const commit = await work.fetchCommit(tag);
    const bytes = await work.readFile(commit, `${prefix(options)}manifest.json`);
    if (bytes) {
      const deployed = parseManifest(bytes, `${tag}:manifest.json`);
      refuseOtherBytes(manifest, deployed);
      return { outcome: "unchanged", manifest: deployed, revision: commit };
    }
  }
  if (current && (await publishing.isAncestor(manifest.source.commit, current.source.commit)) === true) {
    return { outcome: "superseded", manifest: current, revision: refs.branch };
  }
  return undefined;
}

function refuseOtherBytes(ours: ReleaseManifest, deployed: ReleaseManifest): void {
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
    hint: "the build is not reproducible: find out why, or deploy this build over it with --force",
  });
}

function digests(manifest: ReleaseManifest): [string, string][] {
  return [
    ...manifest.kernels.map(({ path, sha256 }): [string, string] => [path, sha256]),
    ...manifest.volumes.filter(isDataVolume).map(({ name, sha256 }): [string, string] => [`volumes/${name}`, sha256]),
  ];
}

interface Changes {
  /** Files that are new or other than at the tip, by full path. */
  readonly added: readonly RepositoryFile[];
  readonly removed: readonly string[];
  /** Those of the added whose bytes the repository has nowhere in its tip. */
  readonly newBlobs: readonly RepositoryFile[];
}

function changes(
  contents: Contents,
  tip: Tip | undefined,
  current: ReleaseManifest | undefined,
  options: GitDestinationOptions,
): Changes {
  const at = prefix(options);
  const files = contents.files.map((file) => ({ ...file, path: at + file.path }));
  const readme = `${at}README.md`;
  if (!tip?.tree.has(readme)) files.push(readmeFile(readme, contents.manifest.name));
  const added = files.filter(({ path, id }) => !isPlain(tip?.tree.get(path), id));
  const wanted = new Set(files.map(({ path }) => path));
  const removed = [...(tip?.tree.keys() ?? [])].filter((path) => !wanted.has(path) && isOurs(path, at, current));
  const known = new Set([...(tip?.tree.values() ?? [])].map(({ id }) => id));
  return { added, removed, newBlobs: added.filter(({ id }) => !known.has(id)) };
}

const isPlain = (entry: TreeEntry | undefined, id: string) => entry?.id === id && entry.mode === "100644";

function readmeFile(path: string, name: string): RepositoryFile {
  const bytes = Buffer.from(deploymentReadme(name));
  return { path, id: blobId(bytes), content: { bytes } };
}

/** Whether the release now deployed put this file there; what others put beside it is left alone. */
function isOurs(path: string, at: string, current: ReleaseManifest | undefined): boolean {
  if (!current || !path.startsWith(at)) return false;
  const local = path.slice(at.length);
  if (local === "manifest.json.sig") return true;
  if (current.files?.some((file) => file.path === local) || current.kernels.some((kernel) => kernel.path === local))
    return true;
  return current.volumes.filter(isDataVolume).some(({ name }) => {
    const base = `volumes/${name}`;
    return (
      local === `${base}.img` || local === `${base}.index` || OUR_TREES.some((tree) => local.startsWith(base + tree))
    );
  });
}

const OUR_TREES = ["/", ".parts/", ".img.parts/"];

function commitMessage(manifest: ReleaseManifest): string {
  const { name, source, sequence } = manifest;
  const label = repositoryLabel(source.repository, name);
  return `Deploy ${name} from ${label}@${source.commit.slice(0, 12)}\n\nSource-Commit: ${source.commit}\nRelease-Sequence: ${sequence}\n`;
}
