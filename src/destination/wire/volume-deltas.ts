/** Parts of new images as deltas against those that are deployed, which nobody here has or needs. */
import { closeSync, openSync } from "node:fs";
import type { VolumeArtifact } from "../../artifact/artifact.ts";
import { DeployError } from "../../errors.ts";
import { layoutOf } from "../../image/format.ts";
import { encodeIndex, type IndexEntry, parseIndex } from "../../image/index-file.ts";
import { type DataVolume, isDataVolume, type ReleaseManifest } from "../../manifest/schema.ts";
import { readFully } from "../../util/files.ts";
import type { RepositoryFile } from "../contents.ts";
import type { Tip, Workbench } from "../work-repository.ts";
import { type DeltaStep, encodeDelta, lineDelta } from "./delta.ts";
import { type DescribedImage, type ImageStep, planDeltas, type Range } from "./image-delta.ts";
import type { PackObject } from "./pack.ts";

export interface DeltaInputs {
  readonly tip: Tip;
  readonly current: ReleaseManifest;
  /** The manifest to be deployed. */
  readonly manifest: ReleaseManifest;
  readonly volumes: readonly VolumeArtifact[];
  /** The files that the server does not have. */
  readonly blobs: readonly RepositoryFile[];
  /** "" or "dir/": where the release is in the repository. */
  readonly prefix: string;
}

/** Pack objects by blob id, for the parts that are worth it. Reads the deployed index, and no image but ours. */
export async function volumeDeltas(work: Workbench, inputs: DeltaInputs): Promise<Map<string, PackObject>> {
  const { manifest, current, volumes, blobs, prefix } = inputs;
  const ids = new Map(blobs.map(({ path, id }) => [path, id]));
  const deltas = new Map<string, PackObject>();
  for (const volume of volumes) {
    const next = imageOf(manifest, volume.name);
    const before = imageOf(current, volume.name);
    if (!next || !before || !volume.format.rebuilds || before.format !== next.format) continue;
    const old = await describeDeployed(work, inputs, before, volume);
    if (!old) continue;
    addIndexDelta(deltas, old, volume, ids.get(prefix + (next.index?.path ?? "")));
    const parts = partsOf(next);
    const image = { ...describe(volume, volume.index, volume.size), parts: rangesOf(parts) };
    for (const [i, plan] of planDeltas(old, image).entries()) {
      const id = ids.get(prefix + (parts[i] as Part).path);
      if (!plan || id === undefined) continue;
      const base = old.ids[plan.base] as string;
      const sizes = { base: (old.parts[plan.base] as Range).size, target: (image.parts[i] as Range).size };
      deltas.set(id, { type: "delta", base, delta: () => makeDelta(volume.file, sizes, plan.steps) });
    }
  }
  return deltas;
}

/** The index is text that the server has but for the lines that changed. */
function addIndexDelta(
  deltas: Map<string, PackObject>,
  old: { readonly text: Buffer; readonly textId: string },
  { index }: VolumeArtifact,
  id: string | undefined,
): void {
  // Of nothing there is no delta: git takes none shorter than four bytes.
  if (id === undefined || index.length === 0) return;
  const target = Buffer.from(encodeIndex(index));
  deltas.set(id, { type: "delta", base: old.textId, delta: () => lineDelta(old.text, target) });
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

function describe(volume: VolumeArtifact, index: readonly IndexEntry[], size: number): DescribedImage {
  return { index, size, starts: layoutOf(volume.format, index, { size }).starts };
}

interface DeployedImage extends DescribedImage {
  readonly parts: readonly Range[];
  /** Blob ids of the parts. */
  readonly ids: readonly string[];
  /** The index file and its blob id. */
  readonly text: Buffer;
  readonly textId: string;
}

/** The image that is deployed, from its index; undefined where the repository does not say enough. */
async function describeDeployed(
  work: Workbench,
  { tip, prefix }: DeltaInputs,
  before: DataVolume,
  volume: VolumeArtifact,
): Promise<DeployedImage | undefined> {
  const parts = partsOf(before);
  const ids = parts.flatMap(({ path }) => tip.tree.get(prefix + path)?.id ?? []);
  if (!before.index || ids.length !== parts.length) return undefined;
  const text = await work.readFile(tip.commit, prefix + before.index.path);
  const textId = tip.tree.get(prefix + before.index.path)?.id;
  if (!text || !textId) return undefined;
  try {
    const described = describe(volume, parseIndex(text.toString("utf8")), before.size);
    return { ...described, parts: rangesOf(parts), ids, text, textId };
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
