/** What a deployment repository holds now, for comparing a release with it: reads manifests and indexes, never an image. */
import { DeployError } from "../errors.ts";
import { parseIndex } from "../image/index-file.ts";
import { parseManifest } from "../manifest/manifest.ts";
import { type DataVolume, isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import type { Access } from "./access.ts";
import { type Place, prefixOf, readDeployed } from "./deployed.ts";
import { openWorkRepository, type Tip, type WorkRepository } from "./work-repository.ts";

/** A file of a volume: its path and the git id of its content. */
export interface VolumeFile {
  readonly path: string;
  readonly id: string;
}

export interface Survey {
  /** The release that a host would get now. */
  readonly manifest: ReleaseManifest;
  /** The files of its data volumes, by volume; a volume is absent where the repository does not say. */
  readonly files: ReadonlyMap<string, readonly VolumeFile[]>;
  /** The manifests of the last deployments, oldest first; the last one is `manifest`. */
  readonly line: readonly ReleaseManifest[];
}

export interface SurveyOptions {
  readonly access: Access;
  readonly branch: string;
  /** Directory of the release in the repository, or "" for its root. */
  readonly path: string;
  /** How many of the last deployments to look at. */
  readonly deployments: number;
}

/** Undefined where nothing is deployed yet. Throws what reading a repository throws. */
export async function survey(options: SurveyOptions): Promise<Survey | undefined> {
  const place = { url: options.access.url, path: options.path };
  using work = await openWorkRepository(options.access);
  const branch = `refs/heads/${options.branch}`;
  const commit = (await work.refs([branch])).get(branch);
  if (commit === undefined) return undefined;
  const tip = await work.fetchTip(commit);
  const manifest = await readDeployed(work, tip, place);
  if (!manifest) return undefined;
  const files = new Map<string, readonly VolumeFile[]>();
  for (const volume of manifest.volumes.filter(isDataVolume)) {
    const found = await filesOf(volume, work, tip, place);
    if (found) files.set(volume.name, found);
  }
  return { manifest, files, line: await deployments(manifest, work, tip, { ...options, place }) };
}

async function filesOf(
  { name, layout }: DataVolume,
  work: WorkRepository,
  tip: Tip,
  place: Place,
): Promise<readonly VolumeFile[] | undefined> {
  const base = `${prefixOf(place)}volumes/${name}`;
  const index = `${base}.index`;
  if (layout === "files") {
    // The tree itself says it; ids of a repository with longer ones cannot be compared.
    const tree = [...tip.tree].filter(([path, { id }]) => path.startsWith(`${base}/`) && id.length === 40);
    return tree.map(([path, { id }]) => ({ path: path.slice(base.length + 1), id }));
  }
  const bytes = tip.tree.has(index) ? await work.readFile(tip.commit, index) : undefined;
  return bytes && parseIndex(bytes.toString("utf8"));
}

async function deployments(
  newest: ReleaseManifest,
  work: WorkRepository,
  tip: Tip,
  { place, deployments: wanted }: SurveyOptions & { readonly place: Place },
): Promise<readonly ReleaseManifest[]> {
  const line = [newest];
  const file = `${prefixOf(place)}manifest.json`;
  for (const commit of (await work.fetchLine(tip.commit, wanted)).slice(1)) {
    const bytes = await work.readFile(commit, file);
    // Another site's deployment leaves ours as it was; before our first one there is nothing.
    const manifest = bytes && readable(bytes, file);
    if (!manifest) break;
    if (manifest.sequence !== line[0]?.sequence) line.unshift(manifest);
  }
  return line;
}

function readable(bytes: Uint8Array, file: string): ReleaseManifest | undefined {
  try {
    return parseManifest(bytes, file);
  } catch (error) {
    if (error instanceof DeployError) return undefined;
    throw error;
  }
}
