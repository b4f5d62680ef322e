/** The way to what host.yml follows. */
import { openAccess } from "../destination/access.ts";
import { isRegistryAddress } from "../registry/address.ts";
import type { HostContext } from "./context.ts";
import { fetchMirror } from "./mirror.ts";
import { openRegistrySource } from "./registry-source.ts";
import type { ReleaseSource } from "./source.ts";

/** Throws USAGE for an address that is none, KEY_INVALID for a key that is none. Ends fetching at the signal. */
export function openSource(context: HostContext, signal?: AbortSignal): ReleaseSource {
  const { config, directory, env, sshKey, knownHosts, store } = context;
  const { repository, branch, path } = config;
  if (isRegistryAddress(repository)) return openRegistrySource(context, signal);
  const token = env.UNIKERNEL_DEPLOY_TOKEN;
  // Anew for each look: a key is in a file only while it is used.
  const open = () => openAccess({ repository, directory, env, sshKey, knownHosts, token });
  using tried = open();
  return {
    address: tried.url,
    async fetch() {
      using access = open();
      return await fetchMirror({ access, directory: store.mirror, branch, path, signal });
    },
  };
}
