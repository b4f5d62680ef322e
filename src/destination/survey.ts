/** What a deployment repository holds now, for comparing a release with it: reads manifests and indexes, never an image. */
import { DeployError } from "../errors.ts";
import { parseIndex } from "../image/index-file.ts";
import { parseManifest } from "../manifest/manifest.ts";
import { type DataVolume, isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import type { Access } from "./access.ts";
import { type Place, prefixOf, readDeployed } from "./deployed.ts";
import { openWorkRepository, type Tip, type Workbench, type WorkRepository } from "./work-repository.ts";

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
  // Awaited here: the repository is gone when this returns.
  return await surveyBy(work, { ...options, place }, (tip) => manifestsOf(work, tip, { ...options, place }));
}

/** The same by whoever has the repository at hand; `earlier` gives the manifests before the tip's, newest first. */
export async function surveyBy(
  work: Workbench,
  { branch, place }: { readonly branch: string; readonly place: Place },
  earlier: (tip: Tip) => Promise<readonly Uint8Array[]>,
): Promise<Survey | undefined> {
  const name = `refs/heads/${branch}`;
  const commit = (await work.refs([name])).get(name);
  if (commit === undefined) return undefined;
  const tip = await work.fetchTip(commit);
  const manifest = await readDeployed(work, tip, place);
  if (!manifest) return undefined;
  const files = new Map<string, readonly VolumeFile[]>();
  for (const volume of manifest.volumes.filter(isDataVolume)) {
    const found = await filesOf(volume, work, tip, place);
    if (found) files.set(volume.name, found);
  }
  return { manifest, files, line: lineOf(manifest, await earlier(tip)) };
}

async function filesOf(
  { name, layout }: DataVolume,
  work: Workbench,
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

/** Manifests before the tip's, newest first; none from where our place was empty. */
async function manifestsOf(
  work: WorkRepository,
  tip: Tip,
  { place, deployments }: SurveyOptions & { readonly place: Place },
): Promise<readonly Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const commit of (await work.fetchLine(tip.commit, deployments)).slice(1)) {
    const bytes = await work.readFile(commit, `${prefixOf(place)}manifest.json`);
    if (!bytes) break;
    found.push(bytes);
  }
  return found;
}

/** Oldest first, up to one that cannot be read. Another site's deployment leaves ours as it was. */
function lineOf(newest: ReleaseManifest, earlier: readonly Uint8Array[]): readonly ReleaseManifest[] {
  const line = [newest];
  for (const bytes of earlier) {
    const manifest = readable(bytes);
    if (!manifest) break;
    if (manifest.sequence !== line[0]?.sequence) line.unshift(manifest);
  }
  return line;
}

function readable(bytes: Uint8Array): ReleaseManifest | undefined {
  try {
    return parseManifest(bytes, "manifest.json");
  } catch (error) {
    if (error instanceof DeployError) return undefined;
    throw error;
  }
}
