/** Kernels that are executables of this host: MirageOS's target `unix`. They are their own tender. Pure. */
import { type GuestSpec, type LaunchPlan, refuse } from "./tender.ts";

/**
 * The command line: the kernel and its arguments. The working directory holds each image under its device's name, which
 * is where MirageOS's `block_of_file` looks for it. Throws LAUNCH_FAILED for other targets.
 */
export function planUnix(spec: GuestSpec): LaunchPlan {
  if (spec.target !== "unix") {
    throw refuse(`only kernels for unix run without a tender; this one is for ${spec.target ?? "an unknown target"}`);
  }
  return { argv: [spec.kernel, ...spec.args], reach: { kind: "printed", port: spec.port } };
}
