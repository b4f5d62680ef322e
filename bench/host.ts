/**
 * What it costs a host to come to a release in which one page changed: ours with all that it verifies, and a `git pull` in a
 * clone with a copy of what is served.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gitEnvironment } from "../test/support/process.ts";
import type { DeployBench, DeployResult } from "./deploy.ts";
import { git, restore } from "./deploy-history.ts";
import { measureSubjects, REPOSITORY, type Server, type Subject } from "./deploy-run.ts";
import { cli, createSite, deploy, type Prepared } from "./deploy-site.ts";
import { DEPLOYS } from "./sites.ts";

export async function* hostBench(bench: DeployBench): AsyncGenerator<DeployResult> {
  const cache = DEPLOYS;
  mkdirSync(cache, { recursive: true });
  for (const site of bench.sites) {
    using prepared = await createSite(cache, site, { ...bench, reading: "public" });
    const { name, directory, server } = prepared;
    for (const history of bench.histories) {
      const onRun = (what: string) => bench.onProgress(`${name}, history ${history}: ${what}`);
      const subjects = [
        ours(prepared, history, "image", server),
        ours(prepared, history, "files", server),
        parts(prepared, history, server),
        pull(prepared, history, server),
      ].filter(({ name: subject, kind }) => kind === "ours" || bench.peers.some((text) => subject.includes(text)));
      yield { site: name, history, rows: await measureSubjects(server, subjects, { ...bench, directory, onRun }) };
    }
  }
}

/** A repository one deploy further, made from one that is not touched. */
function further(prepared: Prepared, history: number, form: "image" | "files"): string {
  const after = path.join(prepared.directory, `${form}-${history}-after.git`);
  restore(prepared.repository(form, history), prepared.server.repository);
  deploy(prepared, prepared.release, form, path.join(prepared.directory, "after-cache"));
  renameSync(prepared.server.repository, after);
  return after;
}

function ours(prepared: Prepared, history: number, form: "image" | "files", server: Server): Subject {
  const serves = further(prepared, history, form);
  const begun = path.join(prepared.directory, `host-${form}-${history}`);
  mkdirSync(begun);
  const url = `${server.url}/${REPOSITORY}.git`;
  writeFileSync(path.join(begun, "host.yml"), `name: www\nrepository: ${url}\ntarget: hvt\nstate: state\n`);
  const sync = ["host", "sync", "--config", "host.yml"];
  restore(prepared.repository(form, history), server.repository);
  cli(begun, sync);
  return {
    name: `unikernel-deploy host sync, layout ${form}`,
    kind: "ours",
    history,
    serves,
    prepare: (directory) => copy(begun, directory),
    command: (directory) => ({
      argv: [process.execPath, prepared.cli, ...sync, "--quiet"],
      env: gitEnvironment({ TMPDIR: directory }),
    }),
    verify(_, directory) {
      const image = readFileSync(path.join(directory, "state/current/volumes/data.img"));
      if (!image.includes(prepared.content)) throw new Error("the host has not the page that was changed");
    },
  };
}

/** As a host without Node does it: the clone of the deployment repository, its sums, and the parts put together. */
function parts(prepared: Prepared, history: number, server: Server): Subject {
  const put = `if test -d volumes/data.img.parts; then cat volumes/data.img.parts/*; else cat volumes/data.img; fi`;
  return puller(prepared, server, {
    name: "git pull, sha256sum -c, cat parts",
    history,
    before: prepared.repository("image", history),
    serves: path.join(prepared.directory, `image-${history}-after.git`),
    copy: `sha256sum --quiet -c SHA256SUMS && ${put} > ../served.img`,
    served: "served.img",
  });
}

/** As a web server's host does it. */
function pull(prepared: Prepared, history: number, server: Server): Subject {
  const before = prepared.repository("site", history);
  const serves = path.join(prepared.directory, `site-${history}-after.git`);
  restore(before, serves);
  const tree = [`--git-dir=${serves}`, `--work-tree=${prepared.changed}`, "-c", "core.bare=false"];
  git(prepared.changed, [...tree, "add", "--all", "--force", "."]);
  git(prepared.changed, [...tree, "commit", "--quiet", "--message=A change"]);
  return puller(prepared, server, {
    name: "git pull, cp -R of the site",
    history,
    before,
    serves,
    copy: "mkdir ../served && cp -R . ../served && rm -rf ../served/.git",
    served: path.join("served", prepared.page),
  });
}

interface Puller {
  readonly name: string;
  readonly history: number;
  readonly before: string;
  readonly serves: string;
  /** Shell, run in the clone. */
  readonly copy: string;
  readonly served: string;
}

function puller(prepared: Prepared, server: Server, peer: Puller): Subject {
  const { name, history, before, serves, copy: copying, served } = peer;
  const begun = path.join(prepared.directory, `pull-${path.basename(before)}`);
  mkdirSync(begun);
  restore(before, server.repository);
  git(begun, ["clone", "--quiet", `${server.url}/${REPOSITORY}.git`, "clone"]);
  return {
    name,
    kind: "peer",
    history,
    serves,
    prepare(directory) {
      copy(begun, directory);
      // git knows its files by their inodes: without this it would read them all.
      git(path.join(directory, "clone"), ["update-index", "--refresh"]);
    },
    command: () => ({
      argv: ["sh", "-c", `set -e; cd clone; git pull --quiet --ff-only; ${copying}`],
      env: gitEnvironment(),
    }),
    verify(_, directory) {
      const bytes = readFileSync(path.join(directory, served));
      if (!bytes.includes(prepared.content)) throw new Error("the host has not the page that was changed");
    },
  };
}

function copy(from: string, to: string): void {
  const ran = spawnSync("cp", ["-a", `${from}/.`, to]);
  if (ran.status !== 0) throw new Error(String(ran.stderr));
}
