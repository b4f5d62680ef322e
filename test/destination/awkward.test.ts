/**
 * Sites that other tools lose files of, machines whose git is set up for something else, and text that looks like options.
 * What a host gets is the judge: the very bytes of the site, in either layout.
 */
import assert from "node:assert/strict";
import { chmod, chown, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { gitServer } from "../support/git-server.ts";
import { git, output, type Ran, run } from "../support/process.ts";
import { newProject, type Project, runCli, sync } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

const TOKEN = "a-token-that-opens-everything";
const PAGE = "<!doctype html><title>A page</title>\n";
const LAYOUTS = ["image", "files"] as const;

/** By what each is there for. */
const FILES = {
  "files that a .gitignore names": {
    ".gitignore": "*.log\nbuild/\n/*\n",
    "debug.log": "log\n",
    "build/out.js": "js\n",
  },
  "bytes that .gitattributes would rewrite": {
    ".gitattributes":
      "* text=auto eol=crlf\n*.id ident\n*.bin filter=lfs diff=lfs\n*.wide working-tree-encoding=UTF-16\n*.not export-ignore\n",
    "crlf.txt": "one\r\ntwo\r\n",
    "lf.txt": "one\ntwo\n",
    "version.id": "$Id$ and $Id: 1234 $\n",
    "filtered.bin": "\u0000\u0001\r\n\n",
    "text.wide": "\ufeffwide\n",
    "export.not": "still here\n",
    "sub/.gitattributes": "* -text\n",
  },
  "dotfiles in sub-folders": { "sub/.nojekyll": "", "sub/CNAME": "www.example\n", ".well-known/security.txt": "x\n" },
  "names that look like options or need quotes": {
    "-rf": "dash\n",
    "--upload-pack=touch x.html": PAGE,
    'it\'s "quoted" $(id) `id`.txt': "quoted\n",
    ":(top)magic*[x]?.txt": "magic\n",
    "ünïcödé/日本.txt": "unicode\n",
    " leading and trailing ": "blanks\n",
  },
} as const;

let project: Project;
let hosts: Record<(typeof LAYOUTS)[number], { repository: string; image: Buffer; tree: string }>;
let built: Buffer;
let said: string;

before(async () => {
  project = await newProject({ "index.html": PAGE, ...Object.assign({}, ...Object.values(FILES)) });
  const site = path.join(project.source, "site");
  await chmod(path.join(site, "debug.log"), 0o755);
  await mkdir(path.join(site, "empty", "within"), { recursive: true });
  await symlink("sub", path.join(site, "linked"));
  await symlink("../crlf.txt", path.join(site, "sub", "link.txt"));
  const release = project.directory.join("release");
  const ran = await project.cli("build", "--kernel", "www.hvt", "--data", "site", "--out", release);
  assert.equal(ran.code, 0, ran.stderr);
  said = ran.stderr;
  built = await readFile(path.join(release, "volumes", "data.img"));
  const deployed = LAYOUTS.map(async (layout) => {
    const repository = await createBareRepository(project.directory.path, layout);
    const went = await project.cli("deploy", "--release", release, "--repository", repository, "--layout", layout);
    assert.equal(went.code, 0, went.stderr);
    const state = project.directory.join(`${layout}-host`);
    const synced = await sync(state, repository);
    assert.equal(synced.code, 0, synced.stderr);
    const file = path.join(state, "state", "current", "volumes", "data.img");
    const tree = project.directory.join(`${layout}-tree`);
    await mkdir(tree);
    await output("tar", ["-C", tree, "-xf", file]);
    return [layout, { repository, image: await readFile(file), tree }] as const;
  });
  hosts = Object.fromEntries(await Promise.all(deployed)) as typeof hosts;
});
after(() => project[Symbol.asyncDispose]());

describe("a host gets, from either layout,", () => {
  for (const [row, files] of Object.entries(FILES)) {
    test(row, async () => {
      for (const layout of LAYOUTS) {
        for (const [name, content] of Object.entries(files)) {
          assert.equal(await readFile(path.join(hosts[layout].tree, name), "utf8"), content, `${layout}: ${name}`);
        }
      }
    });
  }

  test("what links inside the site lead to, files and folders, as plain files", async () => {
    for (const layout of LAYOUTS) {
      const { tree } = hosts[layout];
      assert.equal(await readFile(path.join(tree, "linked", "CNAME"), "utf8"), "www.example\n");
      assert.equal(await readFile(path.join(tree, "sub", "link.txt"), "utf8"), "one\r\ntwo\r\n");
      assert.equal((await output("find", [tree, "-type", "l"])).trim(), "");
    }
  });

  test("the same bytes: those that were built", () => {
    for (const layout of LAYOUTS) assert.ok(hosts[layout].image.equals(built), layout);
  });

  test("no exec bit: every file is stored as 100644", async () => {
    for (const layout of LAYOUTS) {
      const modes = (await git(hosts[layout].repository, "ls-tree", "-r", "main"))
        .split("\n")
        .map((line) => line.slice(0, 6));
      assert.deepEqual([...new Set(modes)], ["100644"], layout);
      await git(hosts[layout].repository, "fsck", "--strict");
    }
  });

  test("no empty folders, which is said", async () => {
    for (const layout of LAYOUTS) await assert.rejects(stat(path.join(hosts[layout].tree, "empty")));
    assert.match(said, /1 empty directory left out|2 empty directories left out/);
  });
});

describe("a build refuses by name", () => {
  const refused = async (prepare: (site: string) => Promise<unknown>, layout = "image"): Promise<Ran> => {
    await using other = await newProject({ "index.html": PAGE });
    await prepare(path.join(other.source, "site"));
    const release = other.directory.join("release");
    const ran = await other.cli("build", "--kernel", "www.hvt", "--data", "site", "--out", release, "--json");
    if (ran.code !== 0) return ran;
    const repository = await createBareRepository(other.directory.path, "deployment");
    return other.cli("deploy", "--release", release, "--repository", repository, "--layout", layout, "--json");
  };

  for (const [row, make] of [
    ["a nested repository", (site: string) => output("git", ["init", "--quiet", path.join(site, "vendor", "lib")])],
    [
      "a submodule's .git file",
      async (site: string) => {
        await mkdir(path.join(site, "vendor", "lib"), { recursive: true });
        await writeFile(path.join(site, "vendor", "lib", ".git"), "gitdir: ../../../.git/modules/lib\n");
      },
    ],
  ] as const) {
    test(row, async () => {
      for (const layout of LAYOUTS) {
        const ran = await refused(make, layout);
        assert.notEqual(ran.code, 0, layout);
        assert.match(ran.stdout + ran.stderr, /vendor\/lib\/\.git/);
      }
    });
  }

  for (const [row, target] of [
    ["a link to nowhere", "nowhere.html"],
    ["a link out of the site", "../../.."],
    ["a link to a folder above itself", "."],
  ] as const) {
    test(row, async () => {
      const ran = await refused((site) => symlink(target, path.join(site, "dangling")));
      assert.equal(ran.code, 2);
      assert.match(ran.stdout, /SITE_UNREADABLE/);
      assert.match(ran.stdout, /dangling/);
    });
  }
});

describe("text that looks like something else", () => {
  let release: string;
  before(async () => {
    await project.commit(`x" --author "Evil <e@x>`);
    release = project.directory.join("options");
    const build = ["build", "--kernel", "www.hvt", "--data", "site", "--out", release];
    // The runner's variables become part of a commit's subject.
    const ran = await runCli(project.source, build, { GITHUB_REPOSITORY: `o/"; touch evil; --author=Evil <e@x>` });
    assert.equal(ran.code, 0, ran.stderr);
  });

  test("as the source's message or name is no author, no option and no second line", async () => {
    const repository = await createBareRepository(project.directory.path, "subject");
    const ran = await project.cli("deploy", "--release", release, "--repository", repository, "--json");
    assert.equal(ran.code, 0, ran.stderr);
    const [author, subject] = (await git(repository, "log", "-1", "--format=%an <%ae>%n%s", "main")).split("\n");
    assert.equal(author, "unikernel-deploy <unikernel-deploy@deploy.invalid>");
    assert.match(subject as string, /^Deploy www from .*touch evil.*@[0-9a-f]{12}$/);
  });

  for (const [flag, value] of [
    ["--branch", "--upload-pack=touch"],
    ["--branch", "-x"],
    ["--branch", "a b"],
    ["--branch", "x:refs/heads/y"],
    ["--branch", "a/../b"],
    ["--path", "../x"],
    ["--path", "/etc"],
    ["--path", "a/.GIT/hooks"],
    ["--repository", "--upload-pack=touch evil"],
    ["--repository", "ext::touch evil"],
  ] as const) {
    test(`as ${flag}=${value} is refused`, async () => {
      const repository = flag === "--repository" ? [] : ["--repository", project.directory.join("image.git")];
      const before = await git(project.directory.join("image.git"), "for-each-ref");
      const ran = await project.cli("deploy", "--release", release, ...repository, `${flag}=${value}`, "--json");
      assert.equal(ran.code, 2, ran.stdout);
      assert.equal(await git(project.directory.join("image.git"), "for-each-ref"), before);
      await assert.rejects(stat(path.join(project.source, "evil")));
    });
  }

  test("as a configuration of another name is not passed over", async () => {
    const misnamed = path.join(project.source, "unikernel.yaml");
    await writeFile(misnamed, "name: other\n");
    const ran = await project.cli("build", "--kernel", "www.hvt", "--data", "site", "--out", "r");
    await rm(misnamed);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /unikernel\.yaml is not read: .*unikernel\.yml[^]*rename it/);
  });

  test("as the name of the site is refused", async () => {
    const ran = await project.cli(
      "build",
      "--kernel",
      "www.hvt",
      "--data",
      "site",
      "--name",
      'x" --author "E <e@x>',
      "--out",
      "r",
    );
    assert.equal(ran.code, 2);
  });
});

describe("a machine set up for something else", () => {
  /** Anything that this asks for help leaves a mark. */
  const marks = (dir: TempDir) => ({ file: dir.join("mark"), script: dir.join("helper") });

  interface Machine {
    readonly home: string;
    readonly url: string;
    readonly helper: string;
    readonly dir: TempDir;
  }
  const wrong = `Authorization: Basic ${Buffer.from("x-access-token:wrong").toString("base64")}`;

  type Prepare = (machine: Machine) => Promise<Readonly<Record<string, string>> | undefined>;
  /** What can be in the way at once, by what it is. */
  const ROWS: readonly (readonly [string, Prepare])[] = [
    [
      "headers in the workspace: of actions/checkout, and in an includeIf as since its version 6",
      async ({ dir, url }) => {
        const { origin } = new URL(url);
        await git(project.source, "config", `http.${origin}/.extraheader`, wrong);
        await writeFile(dir.join("credentials.config"), `[http "${origin}/"]\n\textraheader = ${wrong}\n`);
        const key = `includeIf.gitdir:${project.source}/.git.path`;
        await git(project.source, "config", key, dir.join("credentials.config"));
        return undefined;
      },
    ],
    [
      "of the user: a header, a helper, another address, ssh, hooks, signatures, a proxy that is gone, a .netrc",
      async ({ home, url, helper, dir }) => {
        const text = `[http]
	extraheader = ${wrong}
	proxy = http://127.0.0.1:9/
[credential]
	helper = ${helper}
[url "https://nowhere.invalid/"]
	insteadOf = ${new URL(url).origin}/
[core]
	sshCommand = ${helper}
	hooksPath = ${dir.path}
	editor = ${helper}
	pager = ${helper}
	fsmonitor = ${helper}
	askPass = ${helper}
[commit]
	gpgsign = true
[tag]
	gpgsign = true
[push]
	gpgSign = true
`;
        await writeFile(path.join(home, ".gitconfig"), text);
        const netrc = "machine 127.0.0.1 login somebody password wrong\n";
        await writeFile(path.join(home, ".netrc"), netrc, { mode: 0o600 });
        return undefined;
      },
    ],
    [
      "in the environment: another repository, settings, helpers, and tracing of everything",
      async ({ helper, dir }) => ({
        GIT_DIR: "/nowhere",
        GIT_WORK_TREE: "/nowhere",
        GIT_INDEX_FILE: "/nowhere",
        GIT_OBJECT_DIRECTORY: "/nowhere",
        GIT_NAMESPACE: "other",
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "http.extraheader",
        GIT_CONFIG_VALUE_0: wrong,
        GIT_CONFIG_PARAMETERS: `'http.extraheader'='${wrong}'`,
        GIT_ASKPASS: helper,
        SSH_ASKPASS: helper,
        GIT_SSH_COMMAND: helper,
        GIT_SSH: helper,
        GIT_PROXY_COMMAND: helper,
        GIT_TRACE: "2",
        GIT_TRACE_CURL: dir.join("trace"),
        GIT_TRACE_REDACT: "0",
        GIT_TRACE_PACKET: "1",
        GIT_CURL_VERBOSE: "1",
        GIT_TRACE2_EVENT: dir.join("trace2"),
      }),
    ],
    ["no HOME", async () => ({ HOME: "", XDG_CONFIG_HOME: "" })],
    ["a HOME that nobody can write to", async () => ({ HOME: "/proc" })],
    ["a HOME that is not there, below what cannot be written to", async () => ({ HOME: "/dev/null/nowhere" })],
  ];

  for (const [row, prepare] of ROWS) {
    test(`in the way: ${row}`, async () => {
      await using dir = await tempDir("machine");
      await using server = await gitServer({ token: TOKEN });
      const repository = await server.createRepository("www");
      const [home, TMPDIR] = [dir.join("home"), dir.join("tmp")];
      await mkdir(home);
      await mkdir(TMPDIR);
      const { file, script } = marks(dir);
      await writeFile(script, `#!/bin/sh\necho "$0 $*" >> ${file}\nexit 1\n`);
      await chmod(script, 0o755);
      const ofCheckout = path.join(project.source, ".git", "config");
      const gitConfig = await readFile(ofCheckout, "utf8");
      const url = server.repositoryUrl("www", "git");
      try {
        const env = await prepare({ home, url: server.repositoryUrl("www"), helper: script, dir });
        const workspace = await readFile(ofCheckout, "utf8");
        const machine = await sumsOf(home);
        const release = project.directory.join("release");
        const base = { HOME: home, GIT_CONFIG_GLOBAL: "", GIT_CONFIG_NOSYSTEM: "", TMPDIR, ...env };
        const deploy = (branch: string) =>
          runCli(project.source, ["deploy", "--release", release, "--repository", url, "--branch", branch], base);
        // What our own way to the server does not read, git reads: once with a server that answers only git.
        server.fault = () => (server.requests.some(({ method }) => method === "GET") ? undefined : { status: 501 });
        const byGit = await deploy("main");
        server.fault = undefined;
        const runs = [byGit, await deploy("other")];
        for (const ran of runs) {
          assert.equal(ran.code, 0, ran.stderr);
          assert.doesNotMatch(ran.stdout + ran.stderr, new RegExp(`${TOKEN}|Authorization`));
        }
        const others = server.requests.filter(({ authorized }) => !authorized);
        assert.deepEqual(others, [], "somebody else's credentials were tried");
        assert.match(await git(repository, "for-each-ref", "--format=%(refname)"), /heads\/main\n.*heads\/other/);
        await assert.rejects(stat(file), "a helper was asked");
        assert.deepEqual(await readdir(TMPDIR), []);
        assert.equal(await sumsOf(home), machine);
        assert.equal(await readFile(ofCheckout, "utf8"), workspace);
        const secrets = `${TOKEN}|${Buffer.from(`git:${TOKEN}`).toString("base64")}`;
        const found = await run("grep", ["-rlE", secrets, dir.path, project.source]);
        assert.equal(found.stdout, "", "the token is left in a file");
      } finally {
        await writeFile(ofCheckout, gitConfig);
      }
    });
  }

  /** Every file but those of our cache, which holds what is public. */
  const sumsOf = (directory: string) =>
    output("find", [
      directory,
      "-type",
      "f",
      "-not",
      "-path",
      "*/.cache/unikernel-deploy/*",
      "-exec",
      "sha1sum",
      "{}",
      ";",
    ]);

  test("where the checkout is another user's works, and a deployment repository of another user's is told", {
    skip: process.getuid?.() === 0 ? false : "only root may give files away",
  }, async () => {
    await using other = await newProject({ "index.html": PAGE });
    const repository = await createBareRepository(other.directory.path, "www");
    await output("chown", ["-R", "65534:65534", other.source]);
    const release = await other.build();
    const commit = JSON.parse(await readFile(path.join(release, "manifest.json"), "utf8")).source.commit;
    assert.match(commit, /^[0-9a-f]{40}$/);
    const ran = await other.cli("deploy", "--release", release, "--repository", repository);
    assert.equal(ran.code, 0, ran.stderr);
    const theirs = await createBareRepository(other.directory.path, "theirs");
    await chown(theirs, 65534, 65534);
    const refused = await other.cli("deploy", "--release", release, "--repository", theirs, "--json");
    assert.equal(refused.code, 3);
    assert.match(JSON.parse(refused.stdout).error.hint, /safe\.directory/);
  });

  test("or somebody who pushes first: both commits are there afterwards", async () => {
    await using server = await gitServer({ token: TOKEN });
    const repository = await server.createRepository("www");
    const url = server.repositoryUrl("www", "git");
    const clone = project.directory.join("somebody");
    await git(project.directory.path, "clone", "--quiet", repository, clone);
    await writeFile(path.join(clone, "NOTES"), "mine\n");
    await git(clone, "add", "--all");
    await git(clone, "commit", "--quiet", "--message=By hand");
    const hook = path.join(repository, "hooks", "pre-receive");
    // Between our look at the branch and our push: the hook of the first push lands another one.
    await writeFile(
      hook,
      `#!/bin/sh\ncat >/dev/null\nrm -f "$0"\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\ngit fetch -q ${clone} HEAD:refs/heads/main\n`,
    );
    await chmod(hook, 0o755);
    const ran = await project.cli("deploy", "--release", project.directory.join("release"), "--repository", url);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(await git(repository, "show", "main:NOTES"), "mine");
    assert.equal(await git(repository, "rev-list", "--count", "main"), "2");
    // A race is no reason to fetch what is at hand.
    assert.match(ran.stderr, /another push landed first/);
    assert.doesNotMatch(ran.stderr, /git pushes it instead/);
  });

  for (const [what, block, message] of [
    ["is in the way of ours", ["update-ref", "refs/heads/main/x"], /has a name that ours would be inside of/],
    ["cannot be written", undefined, /refuses the push/],
  ] as const) {
    test(`a branch that ${what} is told, and not taken for a race`, async () => {
      await using server = await gitServer({ token: TOKEN });
      const repository = await server.createRepository("www");
      const url = server.repositoryUrl("www", "git");
      if (block) {
        const empty = await git(repository, "hash-object", "-t", "tree", "-w", "--stdin");
        await git(repository, ...block, await git(repository, "commit-tree", empty, "-m", "Other"));
      } else await writeFile(path.join(repository, "refs", "heads", "main.lock"), "");
      const ran = await project.cli("deploy", "--release", project.directory.join("release"), "--repository", url);
      assert.equal(ran.code, 3, ran.stderr);
      assert.match(ran.stderr, message);
      assert.doesNotMatch(ran.stderr, /in a row|landed first/);
      assert.ok(server.totals().requests < 40, `${server.totals().requests} requests`);
    });
  }
});
