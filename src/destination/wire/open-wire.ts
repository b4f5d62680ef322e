/** The way to a repository that we can go ourselves, if there is one. */
import type { Access } from "../access.ts";
import { httpTransport } from "./http.ts";
import { localTransport } from "./local.ts";
import { sshTransport } from "./ssh.ts";
import type { Transport } from "./transport.ts";

/** Undefined where only git knows the way: through a proxy, a credential helper, or the user's own ssh. */
export const openTransport = (access: Access): Transport | undefined =>
  httpTransport(access) ?? sshTransport(access) ?? localTransport(access);
