/** Those who put a directory onto a branch as well: as they come from npm, and as a script that everybody has written once. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gitEnvironment } from "../test/support/process.ts";
import { git } from "./deploy-history.ts";
import type { Command } from "./deploy-run.ts";

/** One way to bring a site onto a branch. */
export interface Deployer {
  readonly name: string;
  /** Run in `directory`, which is new and empty. */
  command(this: void, run: Run): Command;
}

export interface Run {
  readonly directory: string;
  /** Of the server, without a slash at the end. */
  readonly server: string;
  readonly token: string;
  /** The repository there, without `.git`. */
  readonly repository: string;
  /** The site as it shall be on the branch. */
  readonly site: string;
}

const PACKAGES = ["@jamesives/github-pages-deploy-action@4", "gh-pages@6"];

/** Installs the peers below `cache` where they are not; undefined, with the reason on standard error, where npm cannot. */
export function installPeers(cache: string): string | undefined {
  const directory = path.join(cache, "peers");
  const modules = path.join(directory, "node_modules");
  if (existsSync(path.join(modules, "gh-pages"))) return modules;
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, "package.json"), '{"private": true}\n');
  const argv = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", ...PACKAGES];
  const ran = spawnSync("npm", argv, { cwd: directory, encoding: "utf8" });
  if (ran.status === 0) return modules;
  process.stderr.write(`npm cannot install the peers: ${ran.stderr?.trim().split("\n").at(-1)}\n`);
  return undefined;
}

export function peers(modules: string | undefined): Deployer[] {
  const script: Deployer = { name: "git clone --depth 1, copy, push", command: byHand };
  if (modules === undefined) return [script];
  return [
    { name: "JamesIves/github-pages-deploy-action", command: (run) => jamesIves(modules, run) },
    { name: "gh-pages", command: (run) => ghPages(modules, run) },
    script,
  ];
}

/** Why a peer cannot run here; undefined where it can. */
export function peerMissing({ name }: Deployer): string | undefined {
  if (!name.startsWith("JamesIves")) return undefined;
  return spawnSync("rsync", ["--version"]).error ? "rsync is not installed (Debian: apt-get install rsync)" : undefined;
}

/** As the runner starts it, in a checked-out workspace; it knows https only, and git is told where that is. */
function jamesIves(modules: string, { directory, server, token, repository, site }: Run): Command {
  git(directory, ["init", "--quiet", "--initial-branch=main"]);
  git(directory, ["commit", "--quiet", "--allow-empty", "--message=First"]);
  const host = server.replace("http://", "");
  return {
    argv: [process.execPath, path.join(modules, "@jamesives/github-pages-deploy-action/lib/main.js")],
    env: environment(directory, {
      INPUT_FOLDER: site,
      INPUT_BRANCH: "main",
      INPUT_TOKEN: token,
      "INPUT_REPOSITORY-NAME": repository,
      INPUT_CLEAN: "true",
      INPUT_FORCE: "true",
      INPUT_SILENT: "true",
      GITHUB_SERVER_URL: `https://${host}`,
      GITHUB_REPOSITORY: repository,
      GITHUB_WORKSPACE: directory,
      GITHUB_SHA: "0".repeat(40),
      GITHUB_ACTOR: "author",
      CI: "true",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: `url.http://x-access-token:${token}@${host}/.insteadOf`,
      GIT_CONFIG_VALUE_0: `https://x-access-token:${token}@${host}/`,
    }),
  };
}

function ghPages(modules: string, run: Run): Command {
  const argv = [process.execPath, path.join(modules, "gh-pages/bin/gh-pages.js")];
  const what = ["--dist", run.site, "--branch", "main", "--dotfiles", "--repo", url(run)];
  return {
    argv: [...argv, ...what],
    env: environment(run.directory, { CACHE_DIR: path.join(run.directory, "cache") }),
  };
}

function byHand(run: Run): Command {
  const script = `set -e
git clone --quiet --depth 1 --branch main "$URL" work
find work -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
cp -R "$SITE"/. work
cd work
git add --all --force .
git commit --quiet --message=Deploy
git push --quiet origin main`;
  return { argv: ["sh", "-c", script], env: environment(run.directory, { URL: url(run), SITE: run.site }) };
}

const url = ({ server, token, repository }: Run) =>
  `${server.replace("http://", `http://x-access-token:${token}@`)}/${repository}.git`;

/** A home of its own: what a peer writes into the user's configuration goes with the run. */
function environment(home: string, more: Readonly<Record<string, string>>): Record<string, string> {
  const { GIT_CONFIG_GLOBAL: _, ...base } = gitEnvironment(more);
  return { ...base, HOME: home };
}
