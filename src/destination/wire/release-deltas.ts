/** What of a release goes as deltas: parts of new images against those that are deployed, which nobody here has or needs. */
import { closeSync, openSync } from "node:fs";
import type { VolumeArtifact } from "../../artifact/artifact.ts";
import { DeployError } from "../../errors.ts";
import { layoutOf } from "../../image/format.ts";
import { type IndexEntry, type IndexFile, parseIndex, parseIndexLike } from "../../image/index-file.ts";
import { type DataVolume, isDataVolume, type ReleaseManifest } from "../../manifest/schema.ts";
import { readFully } from "../../util/files.ts";
import type { Workbench } from "../work-repository.ts";
import { type DeltaStep, encodeDelta } from "./delta.ts";
import { deltaPlanner, type DescribedImage, type ImageStep, type Range } from "./image-delta.ts";
import type { PackObject } from "./pack.ts";
import { manifestDeltas, type TextInputs, textDelta } from "./text-deltas.ts";

export interface DeltaInputs extends TextInputs {
  /** The manifest to be deployed. */
  readonly manifest: ReleaseManifest;
  readonly volumes: readonly VolumeArtifact[];
}

/** Pack objects by blob id, for what is worth it. Reads the deployed index, and no image but ours. */
export async function releaseDeltas(work: Workbench, inputs: DeltaInputs): Promise<Map<string, PackObject>> {
  const { manifest, current, volumes, blobs, prefix } = inputs;
  const news = new Map(blobs.map((blob) => [blob.path, blob]));
  const deltas = await manifestDeltas(work, inputs);
  for (const volume of volumes) {
    const next = imageOf(manifest, volume.name);
    const before = imageOf(current, volume.name);
    if (!next || !before || !volume.format.rebuilds || before.format !== next.format) continue;
    const index = news.get(prefix + (next.index?.path ?? ""));
    const bytes = index && "bytes" in index.content ? index.content.bytes : undefined;
    const old = await describeDeployed(work, inputs, before, volume, bytes && { bytes, entries: volume.index });
    if (!old) continue;
    const indexDelta = bytes && textDelta(old.text, bytes);
    if (index && indexDelta) deltas.set(index.id, indexDelta);
    const parts = partsOf(next);
    const ranges = rangesOf(parts);
    const planFor = deltaPlanner(old, describe(volume, volume.index, volume));
    for (const [i, part] of parts.entries()) {
      const id = news.get(prefix + part.path)?.id;
      const plan = id === undefined ? undefined : planFor(ranges[i] as Range);
      if (!plan || id === undefined) continue;
      const base = old.ids[plan.base] as string;
      const sizes = { base: (old.parts[plan.base] as Range).size, target: part.size };
      deltas.set(id, { type: "delta", base, delta: () => makeDelta(volume.file, sizes, plan.steps) });
    }
  }
  return deltas;
}

interface Part {
  readonly path: string;
  readonly size: number;
}

/** The volume as an image in the repository; undefined where it is stored otherwise. */
function imageOf(manifest: ReleaseManifest, name: string): DataVolume | undefined {
  return manifest.volumes.filter(isDataVolume).find((volume) => volume.name === name && volume.layout === "image");
}

const partsOf = ({ parts, path, size }: DataVolume): readonly Part[] => parts ?? (path ? [{ path, size }] : []);

function rangesOf(parts: readonly Part[]): Range[] {
  let offset = 0;
  return parts.map(({ size }) => {
    const range = { offset, size };
    offset += size;
    return range;
  });
}

function describe(
  { format }: VolumeArtifact,
  index: readonly IndexEntry[],
  { size, layout = layoutOf(format, index, { size }) }: Pick<VolumeArtifact, "size" | "layout">,
): DescribedImage {
  return { index, size, starts: layout.starts };
}

interface DeployedImage extends DescribedImage {
  readonly parts: readonly Range[];
  /** Blob ids of the parts. */
  readonly ids: readonly string[];
  /** The index file. */
  readonly text: Buffer;
}

/** The image that is deployed, from its index; undefined where the repository does not say enough. */
async function describeDeployed(
  work: Workbench,
  { tip, prefix }: DeltaInputs,
  before: DataVolume,
  volume: VolumeArtifact,
  ours: IndexFile | undefined,
): Promise<DeployedImage | undefined> {
  const parts = partsOf(before);
  const ids = parts.flatMap(({ path }) => tip.tree.get(prefix + path)?.id ?? []);
  if (!before.index || ids.length !== parts.length) return undefined;
  const text = await work.readFile(tip.commit, prefix + before.index.path);
  if (!text) return undefined;
  try {
    const index = ours ? parseIndexLike(text, ours) : parseIndex(text.toString("utf8"));
    const described = describe(volume, index, { size: before.size });
    return { ...described, parts: rangesOf(parts), ids, text };
  } catch (error) {
    // An index that makes no sense costs a larger push, no more.
    if (error instanceof DeployError) return undefined;
    throw error;
  }
}

function makeDelta(file: string, sizes: { base: number; target: number }, steps: readonly ImageStep[]): Uint8Array {
  const fd = openSync(file, "r");
  try {
    const delta = steps.map((step): DeltaStep => {
      if (step.kind === "copy") return step;
      const bytes = Buffer.allocUnsafe(step.length);
      if (readFully(fd, bytes, step.length, step.offset) === step.length) return { kind: "insert", bytes };
      throw new DeployError("FILE_CHANGED", `${file} ended early`);
    });
    return encodeDelta(sizes.base, sizes.target, delta);
  } finally {
    closeSync(fd);
  }
}
