/** A release beside what is deployed now: sizes, files that differ, and how sizes went over the last deployments. Pure. */
import * as v from "valibot";
import type { Survey, VolumeFile } from "../destination/survey.ts";
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(4096));
const paths = v.pipe(v.array(text), v.maxLength(100));

/** As report.json carries it from the job that builds to those that only speak. */
export const comparisonSchema = v.object({
  /** The release that a host would get now; absent where nothing is deployed yet. */
  deployed: v.optional(
    v.object({
      sequence: v.optional(whole),
      commit: text,
      /** Sizes by target and architecture. */
      kernels: v.record(text, whole),
      /** Sizes by volume. */
      volumes: v.record(text, whole),
    }),
  ),
  /** Files of data volumes that differ; a volume is absent where that is not known. */
  files: v.array(v.object({ volume: text, added: whole, changed: whole, removed: whole, examples: paths })),
  /** What deploying this release would push, or why it would not be. */
  push: v.optional(
    v.union([
      v.object({ outcome: text, sequence: v.optional(whole), changed: whole, removed: whole, bytes: whole }),
      v.object({ problem: text }),
    ]),
  ),
  /** Bytes of all kernels and of all images at the last deployments, oldest first. */
  history: v.pipe(v.array(v.object({ sequence: whole, kernels: whole, images: whole })), v.maxLength(100)),
});

export type Comparison = v.InferOutput<typeof comparisonSchema>;

/** Names of this many files that differ are kept, a volume. */
const EXAMPLES = 12;

/** By volume. */
export type Files = ReadonlyMap<string, readonly VolumeFile[]>;

/** `now` is what is deployed, undefined where nothing is; `push` is what a dry run said. */
export function compareWith(
  now: Survey | undefined,
  release: { readonly manifest: ReleaseManifest; readonly files: Files },
  push: Comparison["push"],
): Comparison {
  const { manifest, files } = release;
  return {
    ...(now ? { deployed: figures(now.manifest) } : {}),
    files: manifest.volumes.filter(isDataVolume).flatMap(({ name }) => {
      const ours = files.get(name);
      const theirs = now?.files.get(name);
      return ours && theirs ? [{ volume: name, ...differences(theirs, ours) }] : [];
    }),
    ...(push ? { push } : {}),
    history: (now?.line ?? []).map((deployed) => ({ sequence: deployed.sequence ?? 0, ...totals(deployed) })),
  };
}

function figures(manifest: ReleaseManifest): NonNullable<Comparison["deployed"]> {
  return {
    ...(manifest.sequence === undefined ? {} : { sequence: manifest.sequence }),
    commit: manifest.source.commit,
    kernels: Object.fromEntries(manifest.kernels.map((kernel) => [kernelKey(kernel), kernel.size])),
    volumes: Object.fromEntries(manifest.volumes.filter(isDataVolume).map(({ name, size }) => [name, size])),
  };
}

/** Kernels are the same one when they are for the same target; their files may be called anything. */
export const kernelKey = ({ target, arch }: { readonly target: string | null; readonly arch: string }) =>
  `${target ?? "unknown"} ${arch}`;

/** Bytes of all kernels and of all images. */
export function totals({ kernels, volumes }: ReleaseManifest): { kernels: number; images: number } {
  const sum = (items: readonly { readonly size: number }[]) => items.reduce((total, { size }) => total + size, 0);
  return { kernels: sum(kernels), images: sum(volumes.filter(isDataVolume)) };
}

function differences(theirs: readonly VolumeFile[], ours: readonly VolumeFile[]) {
  const before = new Map(theirs.map(({ path, id }) => [path, id]));
  const counts = { added: 0, changed: 0, removed: 0 };
  const examples: string[] = [];
  const note = (kind: keyof typeof counts, sign: string, path: string) => {
    counts[kind]++;
    if (examples.length < EXAMPLES) examples.push(`${sign}${path.slice(0, 1024)}`);
  };
  for (const { path, id } of ours) {
    const old = before.get(path);
    before.delete(path);
    if (old === undefined) note("added", "+", path);
    else if (old !== id) note("changed", "~", path);
  }
  for (const path of before.keys()) note("removed", "-", path);
  return { ...counts, examples };
}
