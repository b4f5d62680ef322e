/** The way to what host.yml follows. */
import { openAccess } from "../destination/access.ts";
import type { HostContext } from "./context.ts";
import { fetchMirror } from "./mirror.ts";
import type { ReleaseSource } from "./source.ts";

/** Throws USAGE for an address that is none, KEY_INVALID for a key that is none. To be disposed of. */
export function openSource({ config, directory, env, sshKey, knownHosts, store }: HostContext): ReleaseSource {
  const { repository, branch, path } = config;
  const token = env.UNIKERNEL_DEPLOY_TOKEN;
  const access = openAccess({ repository, directory, env, sshKey, knownHosts, token });
  return {
    address: access.url,
    fetch: (signal) => fetchMirror({ access, directory: store.mirror, branch, path, signal }),
    [Symbol.dispose]: () => access[Symbol.dispose](),
  };
}
