/** What both doors give to a deploy: the clock, the signing key, and what git here knows of the source's history. */
import { normalizeKey } from "./destination/access.ts";
import type { Layout, PublishOptions } from "./destination/destination.ts";
import { exec } from "./util/exec.ts";
import { signText } from "./util/signature.ts";

export interface PublishPorts {
  readonly layout: Layout;
  readonly force: boolean;
  readonly dryRun: boolean;
  /** Private key text. */
  readonly signingKey: string | undefined;
  /** The source repository, where there is a checkout of it. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Throws KEY_INVALID for a signing key that is none, before anything is built or pushed. */
export function publishOptions({ layout, force, dryRun, signingKey, directory, env }: PublishPorts): PublishOptions {
  const key = signingKey === undefined ? undefined : normalizeKey(signingKey);
  return {
    layout,
    force,
    dryRun,
    now: Math.floor(Date.now() / 1000),
    sign: key === undefined ? undefined : (text) => signText(text, key),
    async isAncestor(a, b) {
      if (a === b) return undefined;
      const argv = ["git", "-c", "safe.directory=*", "-C", directory, "merge-base", "--is-ancestor", a, b] as const;
      const { code } = await exec(argv, { env });
      return code === 0 ? true : code === 1 ? false : undefined;
    },
  };
}
