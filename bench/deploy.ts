/**
 * What a deploy of one changed page costs, ours and others': time, memory, bytes over the wire. Each run starts from a fresh
 * copy of the server's repository, in an empty directory, and is looked at afterwards: the branch has the page.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { blobId } from "../src/util/digest.ts";
import { gitEnvironment } from "../test/support/process.ts";
import { type Form, readCommitted } from "./deploy-history.ts";
import { type Deployer, installPeers, peerMissing, peers } from "./deploy-peers.ts";
import { measureSubjects, REPOSITORY, type Row, type Subject, TOKEN } from "./deploy-run.ts";
import { createSite, type Prepared } from "./deploy-site.ts";
import { DEPLOYS } from "./sites.ts";

export interface DeployBench {
  readonly sites: readonly string[];
  readonly runs: number;
  readonly peerRuns: number;
  /** How many commits the branch has before. */
  readonly histories: readonly number[];
  /** Only peers with one of these texts in their names. */
  readonly peers: readonly string[];
  readonly onProgress: (what: string) => void;
}

export interface DeployResult {
  readonly site: string;
  readonly history: number;
  readonly rows: readonly Row[];
}

export async function* deployBench(bench: DeployBench): AsyncGenerator<DeployResult> {
  const cache = DEPLOYS;
  mkdirSync(cache, { recursive: true });
  const others = peers(installPeers(cache)).filter((peer) => {
    if (!bench.peers.some((text) => peer.name.includes(text))) return false;
    const missing = peerMissing(peer);
    if (missing !== undefined) process.stderr.write(`${peer.name} is left out: ${missing}\n`);
    return missing === undefined;
  });
  for (const site of bench.sites) {
    using prepared = await createSite(cache, site, { ...bench, reading: "private" });
    const { name, directory, server } = prepared;
    // Those with a short and a long history take turns too: what else the machine does meets both alike.
    const each = (subject: (history: number) => Subject) => bench.histories.map(subject);
    const subjects = [
      ...(["image", "files"] as const).flatMap((form) => each((history) => ours(prepared, history, form, true))),
      ...(["image", "files"] as const).flatMap((form) => each((history) => ours(prepared, history, form, false))),
      ...each((history) => reference(prepared, history)),
      ...others.flatMap((peer) => each((history) => asSubject(prepared, history, peer))),
    ];
    const onRun = (what: string) => bench.onProgress(`${name}: ${what}`);
    const rows = await measureSubjects(server, subjects, { ...bench, directory, onRun });
    for (const history of bench.histories) {
      yield { site: name, history, rows: rows.filter((row) => row.history === history) };
    }
  }
}

function ours(prepared: Prepared, history: number, form: "image" | "files", warm: boolean): Subject {
  const { release, source, cli } = prepared;
  return {
    name: `unikernel-deploy, layout ${form}, ${warm ? "warm" : "cold"}`,
    kind: "ours",
    history,
    serves: prepared.repository(form, history),
    prepare(directory) {
      if (warm) prepared.warmCache(form, history, path.join(directory, "cache"));
    },
    command(directory, server) {
      const to = [
        "--release",
        release,
        "--repository",
        `${server}/${REPOSITORY}.git`,
        "--layout",
        form,
        "--quiet",
        "--json",
      ];
      return {
        argv: [process.execPath, cli, "deploy", ...to],
        env: gitEnvironment({
          TMPDIR: directory,
          UNIKERNEL_DEPLOY_TOKEN: TOKEN,
          UNIKERNEL_DEPLOY_CACHE: path.join(directory, "cache"),
        }),
        cwd: source,
      };
    },
    verify: (served, _, round) => verify(prepared, form, served, round),
  };
}

/** No deploy: what everybody receives at least who wants to know a branch without its files. */
const reference = (prepared: Prepared, history: number): Subject => ({
  name: "git fetch --depth=1 --filter=blob:none --no-tags, files",
  kind: "reference",
  history,
  serves: prepared.repository("files", history),
  prepare() {},
  command(directory, server) {
    const fetch = "git fetch --quiet --depth=1 --filter=blob:none --no-tags";
    const url = `${server.replace("http://", `http://x-access-token:${TOKEN}@`)}/${REPOSITORY}.git`;
    return {
      argv: ["sh", "-c", `git init --quiet --bare . && exec ${fetch} "$URL" main`],
      env: gitEnvironment({ URL: url, HOME: directory }),
    };
  },
  verify() {},
});

const asSubject = (prepared: Prepared, history: number, { name, command }: Deployer): Subject => ({
  name,
  kind: "peer",
  history,
  serves: prepared.repository("site", history),
  prepare() {},
  command: (directory, server) =>
    command({ directory, server, token: TOKEN, repository: REPOSITORY, site: prepared.changed }),
  verify: (served) => verify(prepared, "site", served, 1),
});

/** Throws where the branch has not the page. */
function verify({ page, content, ...prepared }: Prepared, form: Form, repository: string, round: number): void {
  const told = () => {
    if (form === "site") return readCommitted(repository, page).equals(content);
    if (form === "files") return readCommitted(repository, `volumes/data/${page}`).equals(content);
    const index = readCommitted(repository, "volumes/data.index").toString();
    // The bytes of the image are read once: that takes longer than the deploy.
    const isWhole = round > 0 || prepared.imageDigest(repository) === prepared.imageDigest();
    return isWhole && index.includes(`${blobId(content)} ${content.length} ${page}\n`);
  };
  if (!told()) throw new Error(`the branch has not the page that was changed (${form})`);
}
