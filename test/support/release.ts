/** Releases made of a few files and kernels, through the code that makes real ones, and the checks run on them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VolumeArtifact } from "../../src/artifact/artifact.ts";
import { readKernel } from "../../src/artifact/kernels.ts";
import { readBack } from "../../src/artifact/read-back.ts";
import { scanImage } from "../../src/artifact/scan-image.ts";
import { makeVolume } from "../../src/artifact/volumes.ts";
import { type Check, type CheckSubject, type Finding, runChecks } from "../../src/checks/check.ts";
import { tar } from "../../src/image/tar.ts";
import { composeManifest } from "../../src/manifest/compose.ts";
import type { ReleaseManifest } from "../../src/manifest/schema.ts";
import type { Release } from "../../src/release/release.ts";
import { openFile } from "../../src/util/files.ts";
import { type TempDir, tempDir, writeTree } from "./temp.ts";

export type Files = Readonly<Record<string, string | Uint8Array>>;

export interface ReleaseSpec {
  /** By file name, e.g. "www.hvt". */
  readonly kernels?: Readonly<Record<string, Uint8Array>>;
  /** Directories made into volumes, by volume name. */
  readonly sites?: Readonly<Record<string, Files>>;
  /** Image formats by volume name; tar where none is named. */
  readonly formats?: Readonly<Record<string, string>>;
  /** Images taken as they are, by volume name. */
  readonly images?: Readonly<Record<string, Uint8Array>>;
  readonly secrets?: readonly string[];
  readonly devices?: Readonly<Record<string, string>>;
  readonly memory?: number;
}

export interface SubjectSpec {
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly deployed?: ReleaseManifest;
  readonly limits?: Partial<CheckSubject["limits"]>;
  readonly registry?: boolean;
  readonly errorsOnly?: boolean;
  readonly runnable?: boolean;
  readonly rebuild?: CheckSubject["rebuild"];
}

/** Builds a release below `directory`. */
export async function buildRelease(directory: string, spec: ReleaseSpec): Promise<Release> {
  const [kernelsAt, volumesAt] = [join(directory, "kernels"), join(directory, "volumes")];
  await mkdir(kernelsAt, { recursive: true });
  await mkdir(volumesAt, { recursive: true });
  const kernels = [];
  for (const [name, bytes] of Object.entries(spec.kernels ?? {})) {
    await writeFile(join(kernelsAt, name), bytes);
    kernels.push(readKernel(join(kernelsAt, name)));
  }
  const volumes: VolumeArtifact[] = [];
  for (const [name, files] of Object.entries(spec.sites ?? {})) {
    const from = join(directory, "sites", name);
    await mkdir(from, { recursive: true });
    await writeTree(from, files);
    volumes.push(await makeVolume({ name, from, format: spec.formats?.[name] ?? "tar" }, volumesAt));
  }
  for (const [name, bytes] of Object.entries(spec.images ?? {})) {
    const file = join(volumesAt, `${name}.img`);
    await writeFile(file, bytes);
    volumes.push({ name, file, format: tar, ...(await listed(file, bytes)), emptyDirectories: [] });
  }
  const manifest = composeManifest({
    name: "www",
    source: { commit: "0123456789abcdef0123456789abcdef01234567" },
    kernels,
    volumes,
    secrets: (spec.secrets ?? []).map((name) => ({ name, format: "tar" })),
    devices: new Map(Object.entries(spec.devices ?? {})),
    launch: { memory: spec.memory ?? 64, args: [] },
    tools: {},
    health: [],
  });
  return { manifest, kernels, volumes };
}

/** An image that no reader can list has no files, as far as its index goes. */
async function listed(file: string, bytes: Uint8Array) {
  try {
    return await scanImage(file, tar);
  } catch {
    return { size: bytes.length, sha256: "0".repeat(64), index: [] };
  }
}

export function subjectOf(release: Release, spec: SubjectSpec = {}): CheckSubject {
  return {
    release,
    deployed: () => Promise.resolve(spec.deployed),
    limits: { maxKernelSize: undefined, maxImageSize: undefined, ...spec.limits },
    registry: spec.registry ?? false,
    runnable: spec.runnable ?? false,
    errorsOnly: spec.errorsOnly ?? false,
    readBack(name) {
      const volume = release.volumes.find((candidate) => candidate.name === name) as VolumeArtifact;
      return readBack(volume.file, volume.format);
    },
    open: openFile,
    settings: (id) => spec.settings?.[id] ?? {},
    ...(spec.rebuild === undefined ? {} : { rebuild: spec.rebuild }),
  };
}

/** What one check finds in a release made for it. */
export async function findingsOf(
  check: Check,
  release: ReleaseSpec,
  subject: SubjectSpec = {},
): Promise<readonly Finding[]> {
  await using dir: TempDir = await tempDir("release");
  return await runChecks([check], subjectOf(await buildRelease(dir.path, release), subject));
}
