/** What both doors give to a deploy: the clock, the signing key, and what is known of the source's history. */
import type { Layout, PublishOptions } from "./destination/destination.ts";
import { exec, type ExecResult } from "./util/exec.ts";
import { gitEnvironment } from "./util/git.ts";
import type { Log } from "./util/log.ts";
import { openSigner, signerOf } from "./util/signature.ts";

export interface PublishPorts {
  readonly layout: Layout;
  readonly force: boolean;
  readonly dryRun: boolean;
  /** Private key text, or a public key whose private half an ssh-agent holds. */
  readonly signingKey: string | undefined;
  /** The source repository, where there is a checkout of it. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly forge?: Forge | undefined;
}

/** Where the source lives, to be asked about its history. */
export interface Forge {
  /** As release manifests name it. */
  readonly repository: string;
  /** Whether commit `a` comes before `b`; undefined where it does not know. Never throws. */
  isAncestor(a: string, b: string): Promise<boolean | undefined>;
}

/** Throws KEY_INVALID for a signing key that cannot sign, before anything is built or pushed. */
export async function publishOptions(ports: PublishPorts): Promise<PublishOptions> {
  const { layout, force, dryRun, signingKey, env, log, forge } = ports;
  const isAncestor = (a: string, b: string) => isAncestorHere(a, b, ports);
  return {
    layout,
    force,
    dryRun,
    now: Math.floor(Date.now() / 1000),
    ...(signingKey === undefined ? { sign: undefined } : await signing(signingKey, env)),
    isAncestor,
    commitsBetween: (a, b) => commitsBetweenHere(a, b, ports),
    async isOlder(ours, deployed) {
      if (ours.commit === deployed.commit) return false;
      const known = await isAncestor(ours.commit, deployed.commit);
      if (known !== undefined) return known;
      const isTheirs = [ours, deployed].every(({ repository }) => repository === forge?.repository);
      const told = isTheirs ? await forge?.isAncestor(ours.commit, deployed.commit) : undefined;
      return told ?? isOlderByTime(ours, deployed, log);
    },
  };
}

async function signing(key: string, env: NodeJS.ProcessEnv): Promise<Pick<PublishOptions, "sign" | "isOwnSignature">> {
  const sign = await openSigner(key, env);
  const isOwnSignature = async (text: string, signature: string) => {
    const probe = "Whose key is this?";
    const signer = await signerOf(text, signature, env);
    return signer !== undefined && signer === (await signerOf(probe, await sign(probe), env));
  };
  return { sign, isOwnSignature };
}

type SourceCommit = Parameters<PublishOptions["isOlder"]>[0];

/** The last resort: times that people's machines wrote, which says less than history does. */
function isOlderByTime(ours: SourceCommit, deployed: SourceCommit, log: Log): boolean {
  const commits = `${ours.commit.slice(0, 12)} and ${deployed.commit.slice(0, 12)}, which is deployed`;
  const [mine, theirs] = [ours, deployed].map(({ committedAt }) => Date.parse(committedAt ?? ""));
  if (mine === undefined || theirs === undefined || Number.isNaN(mine - theirs)) {
    log.warning(`which of ${commits} comes first is not known here; taking ours for the newer (${REMEDY})`);
    return false;
  }
  log.warning(`which of ${commits} comes first is not known here; going by their commit times (${REMEDY})`);
  return mine < theirs;
}

const REMEDY = "a checkout with fetch-depth: 0 knows";

/** Undefined where git here lacks a commit, or the history between them. */
async function isAncestorHere(a: string, b: string, ports: PublishPorts): Promise<boolean | undefined> {
  if (a === b) return undefined;
  const follows = (later: string, earlier: string) => gitHere(["merge-base", "--is-ancestor", earlier, later], ports);
  // Ours mostly follows what is deployed, which a history that is cut further back knows as well.
  if ((await follows(a, b)).code === 0) return false;
  const { code } = await follows(b, a);
  if (code !== 1) return code === 0 ? true : undefined;
  const shallow = await gitHere(["rev-parse", "--is-shallow-repository"], ports);
  return shallow.stdout.toString("utf8").trim() === "false" ? false : undefined;
}

/** Undefined where `b` does not follow from `a`, as far as git here knows. */
async function commitsBetweenHere(a: string, b: string, ports: PublishPorts): Promise<readonly string[] | undefined> {
  const range = ["--first-parent", "--ancestry-path", `${a}..${b}`];
  const { code, stdout } = await gitHere(["rev-list", `--max-count=${MAX_BETWEEN}`, ...range], ports);
  const [newest, ...between] = stdout.toString("latin1").trim().split("\n");
  return code === 0 && newest === b ? between : undefined;
}

/** So many deploys are not under way at once. */
const MAX_BETWEEN = 100;

/** A checkout of another user's may be read: nothing of it is run. A stray GIT_DIR would be another repository. */
function gitHere(args: readonly string[], { directory, env }: PublishPorts): Promise<ExecResult> {
  const environment = { ...gitEnvironment(env), GIT_CONFIG_GLOBAL: "/dev/null", GIT_NO_LAZY_FETCH: "1" };
  return exec(["git", "-c", "safe.directory=*", "-C", directory, ...args], { env: environment });
}
