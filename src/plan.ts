/** From inputs and event to a plan: what will happen, what will not, and why. Pure. */
import { DeployError } from "./errors.ts";
import type { Config } from "./inputs/schema.ts";

export type Mode = "auto" | "build" | "check" | "deploy";
export const MODES: readonly Mode[] = ["auto", "build", "check", "deploy"];

export interface Plan {
  /** Where the release comes from: the user's build, or a directory that an earlier build wrote. */
  readonly release:
    | { readonly kind: "build"; readonly out: string }
    | { readonly kind: "given"; readonly directory: string };
  /** Whether the release is pushed if it passes its checks. */
  readonly deploy: boolean;
  /** Whether its kernels are booted, where `checks.boot` or an input asks for that; never if absent. */
  readonly boot?: boolean;
  /** Why `deploy` is what it is, for the log. */
  readonly reason: string;
}

/** The event that a workflow runs for. */
export interface Event {
  readonly name: string;
  /** The ref that is built. */
  readonly ref: string;
  /** Default branch of the repository; undefined where the event does not say. */
  readonly defaultBranch: string | undefined;
}

export interface PlanInputs {
  readonly mode: Mode;
  /** A release directory that is given instead of built. */
  readonly release: string | undefined;
  /** Where a build writes its release. */
  readonly out: string;
}

/** Throws USAGE for a mode that lacks what it needs. */
export function planAction(inputs: PlanInputs, config: Config, event: Event): Plan {
  const release = inputs.release
    ? ({ kind: "given", directory: inputs.release } as const)
    : ({ kind: "build", out: inputs.out } as const);
  if (inputs.mode === "check" && !inputs.release) {
    throw new DeployError("USAGE", "mode check needs a release directory", {
      hint: 'give the input "release", or use mode build',
    });
  }
  const { deploy, reason } = decideDeploy(inputs.mode, config, event);
  // A job that deploys what another job built holds the key: it runs none of the code that it was given.
  const boot = config.checks.boot !== undefined && !(deploy && release.kind === "given");
  return { release, deploy, boot, reason };
}

function decideDeploy(mode: Mode, config: Config, event: Event): { deploy: boolean; reason: string } {
  if (mode === "deploy") {
    if (config.deploy.repository) return { deploy: true, reason: "mode is deploy" };
    throw new DeployError("USAGE", "mode deploy needs a deployment repository", {
      hint: 'give the input "deployment-repository", or deploy.repository in unikernel.yml',
    });
  }
  if (mode !== "auto") return { deploy: false, reason: `mode is ${mode}` };
  if (event.name !== "push")
    return { deploy: false, reason: `a ${event.name || "manual"} event builds and checks only` };
  if (event.defaultBranch === undefined) return { deploy: false, reason: "the event does not name the default branch" };
  if (event.ref !== `refs/heads/${event.defaultBranch}`) {
    return { deploy: false, reason: `${event.ref} is not the default branch ${event.defaultBranch}` };
  }
  if (!config.deploy.repository) return { deploy: false, reason: "no deployment repository is configured" };
  return { deploy: true, reason: `a push to the default branch ${event.defaultBranch}` };
}
