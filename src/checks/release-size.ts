/** check: release-size. Kernels and images are within their budgets, and fit the guest and the forge. Pure. */
import { count, formatSize } from "../util/size.ts";
import type { Check, Remark } from "./check.ts";

const MIB = 1024 * 1024;
/** GitHub and most forges refuse an object of 100 MB; kernels are never cut. */
const MAX_OBJECT = 100_000_000;

export const releaseSize: Check = {
  id: "release-size",
  title: "kernels and images are within their budgets",
  severity: "error",
  *run({ release, limits }) {
    for (const { path, size } of release.manifest.kernels) {
      yield* overBudget(path, size, limits.maxKernelSize, "max-kernel-size");
      yield* tooLargeToPush(path, size);
      yield* tooLargeToLoad(path, size, release.manifest.launch.memory);
    }
    for (const { name, size, index } of release.volumes) {
      yield* overBudget(
        `volumes/${name}.img`,
        size,
        limits.maxImageSize,
        "max-image-size",
        count(index.length, "file"),
      );
    }
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

function* tooLargeToLoad(path: string, size: number, memory: number): Iterable<Remark> {
  if (size <= memory * MIB) return;
  yield {
    path,
    severity: "warning",
    message: `${path} has ${formatSize(size)}, the guest is given ${memory} MiB`,
    hint: "raise launch.memory, or make the kernel smaller",
  };
}
