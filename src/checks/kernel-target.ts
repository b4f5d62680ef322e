/** check: kernel-target. Each kernel is for a known target, the one asked for, and for the tender that will run it. Pure. */
import type { KernelArtifact } from "../artifact/artifact.ts";
import { acceptedAbi, isSolo5Target, solo5Releases } from "../kernel/solo5-releases.ts";
import type { Check, Remark } from "./check.ts";
import { kernelsOf } from "./contents.ts";

export const kernelTarget: Check = {
  id: "kernel-target",
  title: "each kernel is for the target and the tender that will run it",
  severity: "error",
  *run(subject) {
    const { target, solo5 } = subject.settings("kernel-target");
    const wanted = target === undefined ? undefined : [target].flat().map(String);
    const kernels = kernelsOf(subject);
    for (const { path, kernel } of kernels) {
      yield* unknownTarget(path, kernel);
      yield* otherTarget(path, kernel, wanted);
      if (typeof solo5 === "string") yield* otherAbi(path, kernel, solo5);
    }
    yield* missingTargets(
      kernels.map(({ kernel }) => kernel),
      wanted,
    );
    yield* doubles(kernels);
  },
};

function* unknownTarget(path: string, { info }: KernelArtifact): Iterable<Remark> {
  if (info.target !== null) return;
  yield {
    path,
    message: `nobody can tell what ${path} was built for: ${info.reason}`,
    hint: info.hint ?? "is this the file that the build leaves for the target, whole and not an intermediate one?",
  };
}

function* otherTarget(path: string, { info }: KernelArtifact, wanted: readonly string[] | undefined): Iterable<Remark> {
  if (wanted === undefined || info.target === null || wanted.includes(info.target)) return;
  yield {
    path,
    message: `${path} was built for ${info.target}, asked for is ${wanted.join(" or ")}`,
    hint: `configure the build for it (mirage configure -t ${wanted[0]}), or change checks.kernel-target.target`,
  };
}

function* missingTargets(kernels: readonly KernelArtifact[], wanted: readonly string[] | undefined): Iterable<Remark> {
  for (const target of wanted ?? []) {
    if (kernels.some(({ info }) => info.target === target)) continue;
    // A single kernel for another target has been reported already, by its name.
    if (kernels.length === 1 && wanted?.length === 1) continue;
    yield {
      message: `no kernel of the release is for ${target}`,
      hint: `list the kernel for ${target} under kernels:, or take it out of checks.kernel-target.target`,
    };
  }
}

/** Tenders compare the ABI version for equality, in both directions. */
function* otherAbi(path: string, { info }: KernelArtifact, release: string): Iterable<Remark> {
  const { target, abiVersion } = info;
  if (target === null || !isSolo5Target(target) || abiVersion === undefined) return;
  const accepted = acceptedAbi(target, release);
  if (accepted === abiVersion) return;
  const releases = solo5Releases(target, abiVersion);
  yield {
    path,
    message:
      accepted === null
        ? `Solo5 ${release} has no target ${target}, which ${path} was built for`
        : `${path} has Solo5 ABI version ${abiVersion} for ${target}; the tender of Solo5 ${release} accepts only ${accepted}`,
    hint: releases
      ? `build it with the Solo5 that the host runs, or give the host Solo5 ${releases}`
      : "build it with the Solo5 that the host runs",
  };
}

function* doubles(kernels: readonly { readonly path: string; readonly kernel: KernelArtifact }[]): Iterable<Remark> {
  const seen = new Map<string, string>();
  for (const { path, kernel } of kernels) {
    const { target, arch } = kernel.info;
    if (target === null) continue;
    const other = seen.get(`${target} ${arch}`);
    if (other !== undefined) {
      yield {
        path,
        severity: "warning",
        message: `${other} and ${path} are both for ${target} on ${arch}: a host takes the first`,
        hint: "a release is one site: keep one kernel for each target",
      };
    } else seen.set(`${target} ${arch}`, path);
  }
}
