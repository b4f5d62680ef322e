/** check: release-size. Kernels and images are within their budgets, and fit the guest and the forge. Pure. */
import type { KernelArtifact } from "../artifact/artifact.ts";
import { isSolo5Target } from "../kernel/solo5-releases.ts";
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import { count, formatSize } from "../util/size.ts";
import type { Check, Remark } from "./check.ts";
import { imagePath, kernelsOf } from "./contents.ts";

const MIB = 1024 * 1024;
/** GitHub and most forges refuse an object of 100 MB; kernels are never cut. */
const MAX_OBJECT = 100_000_000;
/** GitHub refuses a larger push; a first deploy sends all there is. */
const MAX_PUSH = 2 * 1024 ** 3;
/** Growth that nobody has set a limit for is worth a word when it is large by both measures. */
const UNUSUAL_GROWTH = 100;
const UNUSUAL_BYTES = 5_000_000;

export const releaseSize: Check = {
  id: "release-size",
  title: "kernels and images are within their budgets",
  severity: "error",
  async *run(subject) {
    const { release, limits, errorsOnly } = subject;
    const { kernels, launch } = release.manifest;
    for (const { path, kernel } of kernelsOf(subject)) {
      yield* overBudget(path, kernel.size, limits.maxKernelSize, "max-kernel-size");
      yield* tooLargeToPush(path, kernel.size);
      yield* tooLargeToLoad(path, kernel, launch.memory);
    }
    for (const volume of release.volumes) {
      yield* overBudget(
        imagePath(volume),
        volume.size,
        limits.maxImageSize,
        "max-image-size",
        count(volume.index.length, "file"),
      );
    }
    const total = [...kernels, ...release.volumes].reduce((sum, { size }) => sum + size, 0);
    if (total > MAX_PUSH && !subject.registry) yield tooMuchAtOnce(total);
    const limit = subject.settings("release-size")["max-growth"];
    const percent = typeof limit === "number" ? limit : undefined;
    // Without a limit growth is worth a warning at most.
    const deployed = errorsOnly && percent === undefined ? undefined : await subject.deployed();
    if (deployed) yield* growth(release.manifest, deployed, percent);
  },
};

function* overBudget(
  path: string,
  size: number,
  budget: number | undefined,
  setting: string,
  note = "",
): Iterable<Remark> {
  if (budget === undefined || size <= budget) return;
  yield {
    path,
    message: `${path} has ${formatSize(size)}${note && ` in ${note}`}, the budget is ${formatSize(budget)} (${setting})`,
    hint: `make it smaller, or raise ${setting} knowingly`,
  };
}

function* tooLargeToPush(path: string, size: number): Iterable<Remark> {
  if (size <= MAX_OBJECT) return;
  yield {
    path,
    message: `${path} has ${formatSize(size)}; forges refuse files above ${formatSize(MAX_OBJECT)}`,
    hint: "is the site still linked into the kernel? Move it to a volume, and strip the kernel",
  };
}

/** What is loaded decides, not the size of the file: symbols are never loaded, and zeros are not in the file. */
function* tooLargeToLoad(path: string, { size, info }: KernelArtifact, memory: number): Iterable<Remark> {
  // A program of the host has the host's memory.
  if (info.target === "unix") return;
  const needed = info.memory > 0 ? info.memory : size;
  if (needed <= memory * MIB) return;
  const isCertain = info.memory > 0 && info.target !== null && isSolo5Target(info.target);
  yield {
    path,
    severity: isCertain ? "error" : "warning",
    message: `${path} takes ${formatSize(needed)} of memory before it does anything, the guest is given ${memory} MiB`,
    hint: `set launch.memory to ${Math.ceil((needed * 1.5) / MIB)} or more, or make the kernel smaller`,
  };
}

function tooMuchAtOnce(total: number): Remark {
  return {
    severity: "warning",
    message: `kernels and images have ${formatSize(total)} together; a first deploy takes several pushes, and forges advise against repositories of more than ${formatSize(MAX_PUSH)}`,
    hint: "serve large media from elsewhere, or deploy to an OCI registry",
  };
}

/** What was deployed under the same name, against what would be. */
function* growth(now: ReleaseManifest, before: ReleaseManifest, limit: number | undefined): Iterable<Remark> {
  const sizes = new Map(sizesOf(before));
  for (const [path, size] of sizesOf(now)) {
    const old = sizes.get(path);
    if (old === undefined || old === 0 || size <= old) continue;
    const percent = ((size - old) / old) * 100;
    const isOver = limit === undefined ? percent > UNUSUAL_GROWTH && size - old > UNUSUAL_BYTES : percent > limit;
    if (!isOver) continue;
    yield {
      path,
      ...(limit === undefined ? { severity: "warning" } : {}),
      message: `${path} grows by ${percent.toFixed(percent < 10 ? 1 : 0)} % to ${formatSize(size)}; deployed are ${formatSize(old)}${limit === undefined ? "" : `, the limit is ${limit} % (max-growth)`}`,
      hint:
        limit === undefined
          ? "is that meant? checks.release-size.max-growth sets a limit in percent"
          : "make it smaller, or raise max-growth knowingly",
    };
  }
}

function sizesOf({ kernels, volumes }: ReleaseManifest): [string, number][] {
  return [
    ...kernels.map(({ path, size }): [string, number] => [path, size]),
    ...volumes.filter(isDataVolume).map((volume): [string, number] => [imagePath(volume), volume.size]),
  ];
}
