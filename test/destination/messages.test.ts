/** What a server says when it refuses, as one clear error: the cause, its own words, and what to do about it. */
import assert from "node:assert/strict";
import { chmod, cp, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { explainGitFailure } from "../../src/destination/git-errors.ts";
import { gitServer } from "../support/git-server.ts";
import { git, type Ran } from "../support/process.ts";
import { newProject, type Project, runCli } from "../support/project.ts";
import { sshServer, sshServerMissing } from "../support/ssh-server.ts";

const TOKEN = "a-token-that-opens-everything";
const REJECTED = " ! [remote rejected] main -> main";
const ABORTED = "error: failed to push some refs to 'https://forge.example/o/r.git'";

/** As the forges print it: their documentation, their sources, and issues in which people quote them. */
const SAID: readonly [name: string, text: string, code: string, message: RegExp, hint: RegExp][] = [
  [
    "GitHub: protected branch",
    `remote: error: GH006: Protected branch update failed for refs/heads/main.\nremote: error: Changes must be made through a pull request.\n${REJECTED} (protected branch hook declined)\n${ABORTED}`,
    "PUSH_REJECTED",
    /the branch is protected/,
    /branch protection/,
  ],
  [
    "GitHub: rule",
    `remote: error: GH013: Repository rule violations found for refs/heads/main.\nremote: Review all repository rules at https://github.com/o/r/rules\nremote: - Commits must have verified signatures.\n${REJECTED} (push declined due to repository rule violations)`,
    "PUSH_REJECTED",
    /a rule of the repository/,
    /bypass list/,
  ],
  [
    "GitHub: push protection",
    `remote: error: GH013: Repository rule violations found for refs/heads/main.\nremote: - GITHUB PUSH PROTECTION\nremote:   ———————————————————————————\nremote:     - Push cannot contain secrets\nremote:       —— GitHub Personal Access Token ——\nremote:        locations:\nremote:          - commit: 5f6\nremote:            path: volumes/data/a.txt:1\n${REJECTED} (push declined due to repository rule violations)`,
    "PUSH_REJECTED",
    /looks like a secret/,
    /secret-material/,
  ],
  [
    "GitHub: large file",
    `remote: error: Trace: 1\nremote: error: See https://gh.io/lfs for more information.\nremote: error: File kernels/www.hvt is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB\nremote: error: GH001: Large files detected.\n${REJECTED} (pre-receive hook declined)`,
    "PUSH_REJECTED",
    /larger than the server takes/,
    /kernels are never cut/,
  ],
  [
    "GitHub: large pack",
    "remote: fatal: pack exceeds maximum allowed size (2.00 GiB)\nerror: remote unpack failed: index-pack failed",
    "PUSH_REJECTED",
    /larger than the server takes/,
    /32 MiB/,
  ],
  [
    "GitHub: token without contents: write",
    "remote: Permission to o/r.git denied to github-actions[bot].\nfatal: unable to access 'https://github.com/o/r.git/': The requested URL returned error: 403",
    "REPOSITORY_DENIED",
    /may not write there/,
    /contents: write/,
  ],
  [
    "GitHub: fine-grained token",
    "remote: Write access to repository not granted.\nfatal: unable to access 'https://github.com/o/r.git/': The requested URL returned error: 403",
    "REPOSITORY_DENIED",
    /may not write there/,
    /contents: write/,
  ],
  [
    "GitHub: wrong token",
    "remote: Invalid username or token. Password authentication is not supported for Git operations.\nfatal: Authentication failed for 'https://github.com/o/r.git/'",
    "REPOSITORY_DENIED",
    /does not accept the credentials/,
    /expired/,
  ],
  [
    "ssh: no way to the host",
    "ssh: connect to host forge.example port 22: No route to host\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
    "REPOSITORY_UNREACHABLE",
    /could not be reached/,
    /check the address/,
  ],
  [
    "ssh: too old",
    "/tmp/unikernel-deploy-ssh-k/config: line 4: Bad configuration option: identityagent\n/tmp/unikernel-deploy-ssh-k/config: terminating, 1 bad configuration options\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
    "PROGRAM_MISSING",
    /it is too old/,
    /OpenSSH 8\.1/,
  ],
  [
    "ssh: nothing in common",
    "Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. Their offer: ssh-rsa\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
    "REPOSITORY_UNREACHABLE",
    /no algorithm in common/,
    /up to date/,
  ],
  [
    "git: a name inside of another",
    "remote: error: cannot lock ref 'refs/heads/main': 'refs/heads/main/x' exists; cannot create 'refs/heads/main'\n ! [remote rejected] main -> main (atomic transaction failed)",
    "PUSH_REJECTED",
    /would be inside of/,
    /rename or remove/,
  ],
  [
    "GitHub: archived",
    "remote: This repository was archived so it is read-only.\nfatal: unable to access 'https://github.com/o/r.git/': The requested URL returned error: 403",
    "REPOSITORY_DENIED",
    /is archived/,
    /unarchive/,
  ],
  [
    "GitHub: read-only key",
    "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from remote repository.",
    "REPOSITORY_DENIED",
    /key is not allowed/,
    /write access/,
  ],
  [
    "GitHub: not found",
    "remote: Repository not found.\nfatal: repository 'https://github.com/o/r.git/' not found",
    "REPOSITORY_UNREACHABLE",
    /no repository at this address/,
    /create it/,
  ],
  [
    "GitLab: protected branch",
    `remote: GitLab: You are not allowed to push code to protected branches on this project.\n${REJECTED} (pre-receive hook declined)`,
    "PUSH_REJECTED",
    /the branch is protected/,
    /who may push/,
  ],
  [
    "GitLab: not allowed",
    "remote: You are not allowed to push code to this project.\nfatal: unable to access 'https://gitlab.com/g/p.git/': The requested URL returned error: 403",
    "REPOSITORY_DENIED",
    /may not write there/,
    /contents: write/,
  ],
  [
    "GitLab: token",
    "remote: HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect\nfatal: Authentication failed for 'https://gitlab.com/g/p.git/'",
    "REPOSITORY_DENIED",
    /does not accept the credentials/,
    /deploy key/,
  ],
  [
    "GitLab: deploy key",
    "remote: ERROR: This deploy key does not have write access to this project.\nfatal: Could not read from remote repository.",
    "REPOSITORY_DENIED",
    /key is not allowed/,
    /write access/,
  ],
  [
    "GitLab: size",
    `remote: GitLab: Your push has been rejected, because this repository has exceeded its size limit of 10 GiB by 20 MiB.\n${REJECTED} (pre-receive hook declined)`,
    "PUSH_REJECTED",
    /no room left/,
    /history/,
  ],
  [
    "GitLab: not found",
    "remote: The project you were looking for could not be found or you don't have permission to view it.\nfatal: repository 'https://gitlab.com/g/p.git/' not found",
    "REPOSITORY_UNREACHABLE",
    /no repository at this address/,
    /access/,
  ],
  [
    "Gitea: protected branch",
    `remote: \nremote: Gitea: Not allowed to push to protected branch main\n${REJECTED} (pre-receive hook declined)`,
    "PUSH_REJECTED",
    /the branch is protected/,
    /branch protection/,
  ],
  [
    "Forgejo: quota",
    `remote: Forgejo: Quota exceeded\n${REJECTED} (pre-receive hook declined)`,
    "PUSH_REJECTED",
    /no room left/,
    /quota/,
  ],
  [
    "Gitea: no write access",
    "remote: Gitea: User permission denied for writing.\nfatal: unable to access 'https://gitea.example/o/r/': The requested URL returned error: 403",
    "REPOSITORY_DENIED",
    /may not write there/,
    /token/,
  ],
  [
    "Gitea: archived",
    "remote: This repo is archived. You can view files and clone it, but cannot push or open issues/pull-requests.\nfatal: unable to access 'https://gitea.example/o/r/': The requested URL returned error: 403",
    "REPOSITORY_DENIED",
    /is archived/,
    /unarchive/,
  ],
  [
    "ssh: wrong key",
    "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
    "REPOSITORY_DENIED",
    /key is not allowed/,
    /deploy key/,
  ],
  [
    "ssh: host key changed",
    "@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@\nHost key verification failed.\nfatal: Could not read from remote repository.",
    "REPOSITORY_DENIED",
    /another machine answers/,
    /known-hosts/,
  ],
  [
    "server: disk full",
    `remote: fatal: write error: No space left on device\nerror: remote unpack failed: unpack-objects abnormal exit\n${REJECTED} (unpacker error)`,
    "PUSH_REJECTED",
    /could not store/,
    /disk is full/,
  ],
  [
    "server: not writable",
    `remote: error: insufficient permission for adding an object to repository database ./objects\nremote: fatal: failed to write object\n${REJECTED} (unpacker error)`,
    "PUSH_REJECTED",
    /could not store/,
    /not writable/,
  ],
  [
    "here: disk full",
    "fatal: unable to write loose object file: No space left on device",
    "IO_FAILED",
    /the disk here is full/,
    /TMPDIR/,
  ],
  [
    "a checkout",
    `remote: error: refusing to update checked out branch: refs/heads/main\n${REJECTED} (branch is currently checked out)`,
    "PUSH_REJECTED",
    /checked out/,
    /bare/,
  ],
  [
    "another user's",
    "fatal: detected dubious ownership in repository at '/srv/www.git'",
    "REPOSITORY_DENIED",
    /another user's/,
    /safe\.directory/,
  ],
];

test("what nobody knows is told in git's last words, without its advice", () => {
  const text =
    "fatal: something new\n\nPlease make sure you have the correct access rights\nand the repository exists.\n";
  assert.match(explainGitFailure("cannot push to", "u", text).message, /u: fatal: something new$/);
});

describe("the words of", () => {
  for (const [name, text, code, message, hint] of SAID) {
    test(name, () => {
      const error = explainGitFailure("cannot push to", "https://forge.example/o/r.git", text);
      assert.equal(error.code, code);
      assert.match(error.message, /^cannot push to https:\/\/forge\.example\/o\/r\.git: /);
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.ok(error.problems.length > 0, "what the server said is not shown");
    });
  }

  test("nobody we know are passed on, bounded and without what a terminal would obey", () => {
    const evil = `remote: \u001b[31mred\u001b[0m \u001b]0;title\u0007\u009b2J\u202Eback\rremote: over\u0000\n${"remote: x\n".repeat(500)}remote: ${"long".repeat(1000)}\n${REJECTED} (pre-receive hook declined)`;
    const { problems, message } = explainGitFailure("cannot push to", "u", evil);
    assert.equal(problems[0], "server: red back");
    assert.equal(problems[1], "server: over");
    assert.ok(problems.length <= 17);
    assert.match(problems.at(-1) ?? "", /more lines/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none is the point.
    assert.doesNotMatch(problems.join(""), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    assert.match(message, /a hook of the server/);
    const silent = explainGitFailure("cannot push to", "u", `fatal: ${"y".repeat(5000)}\u001b[2J`);
    assert.equal(silent.code, "PROGRAM_FAILED");
    assert.ok(silent.message.length < 400);
  });
});

interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly problems: readonly string[];
}
const told = (ran: Ran): Told => {
  assert.equal(ran.code, 3, ran.stdout + ran.stderr);
  assert.doesNotMatch(ran.stdout + ran.stderr, new RegExp(`${TOKEN}|Basic |    at `));
  return JSON.parse(ran.stdout).error as Told;
};

let project: Project;
/** Two releases, the second of a later commit. */
let first: string;
let second: string;
before(async () => {
  project = await newProject();
  first = project.directory.join("first");
  await cp(await project.build(), first, { recursive: true });
  await project.commit();
  second = await project.build();
});
after(() => project[Symbol.asyncDispose]());
const deploy = (release: string, repository: string, ...more: string[]) =>
  runCli(project.source, ["deploy", "--release", release, "--repository", repository, "--json", ...more]);

/** For an empty repository git packs and pushes; with a release in it we speak to the server ourselves. */
const STATES = ["an empty repository", "a repository with a release"] as const;

describe("a server of http", () => {
  for (const state of STATES) {
    test(`refuses a push to ${state}: each status has its words`, async () => {
      await using server = await gitServer({ token: TOKEN });
      const repository = await server.createRepository("www");
      const url = server.repositoryUrl("www", "git");
      if (state !== STATES[0]) assert.equal((await deploy(first, url)).code, 0);
      const tips = await git(repository, "for-each-ref");
      for (const [status, code, message, where] of [
        [401, "REPOSITORY_DENIED", /does not accept the credentials/, 0],
        [403, "REPOSITORY_DENIED", /may not write there/, 1],
        [404, "REPOSITORY_UNREACHABLE", /no repository at this address/, 0],
        [413, "PUSH_REJECTED", /larger than the server takes/, 1],
        [429, "REPOSITORY_UNREACHABLE", /slow down/, 0],
        [503, "REPOSITORY_UNREACHABLE", /could not be reached, or broke off/, 1],
        [302, "REPOSITORY_UNREACHABLE", /has moved/, 1],
      ] as const) {
        if (state !== STATES[where]) continue;
        server.fault = ({ service }) => {
          const headers = { location: "https://elsewhere.example/", "www-authenticate": "Basic" };
          return service === "git-receive-pack" ? { status, headers } : undefined;
        };
        const error = told(await deploy(second, url));
        assert.equal(error.code, code, `${status}: ${error.message}`);
        assert.match(error.message, message, String(status));
        assert.ok(error.hint.length > 20);
      }
      assert.equal(await git(repository, "for-each-ref"), tips);
    });

    test(`refuses a push to ${state} by a hook: its text is shown`, async () => {
      await using server = await gitServer({ token: TOKEN });
      const repository = await server.createRepository("www");
      const url = server.repositoryUrl("www", "git");
      if (state !== STATES[0]) assert.equal((await deploy(first, url)).code, 0);
      const tips = await git(repository, "for-each-ref");
      const hook = path.join(repository, "hooks", "pre-receive");
      const say = async (...lines: string[]) => {
        await writeFile(
          hook,
          `#!/bin/sh\ncat >/dev/null\n${lines.map((line) => `printf '${line}\\n' >&2`).join("\n")}\nexit 1\n`,
        );
        await chmod(hook, 0o755);
      };
      await say("No deployments on Fridays, says the \\033[5mboss\\033[0m.", `and ${TOKEN} is your token`);
      const friday = told(await deploy(second, url));
      assert.equal(friday.code, "PUSH_REJECTED");
      assert.match(friday.message, /a hook of the server/);
      assert.ok(
        friday.problems.includes("server: No deployments on Fridays, says the boss."),
        friday.problems.join("\n"),
      );
      assert.ok(friday.problems.includes("server: and *** is your token"), friday.problems.join("\n"));
      await say("error: GH006: Protected branch update failed for refs/heads/main.");
      assert.match(told(await deploy(second, url)).message, /the branch is protected/);
      await say("GitLab: You are not allowed to push code to protected branches on this project.");
      assert.match(told(await deploy(second, url)).message, /the branch is protected/);
      assert.equal(await git(repository, "for-each-ref"), tips);
      if (state === STATES[0]) return;
      // One ref refused refuses all.
      const update = path.join(repository, "hooks", "update");
      await writeFile(hook, "#!/bin/sh\ncat >/dev/null\n");
      await writeFile(update, '#!/bin/sh\ncase $1 in refs/tags/*) echo "no tags here" >&2; exit 1;; esac\n');
      await chmod(update, 0o755);
      const tags = told(await deploy(second, url));
      assert.ok(tags.problems.includes("server: no tags here"), tags.problems.join("\n"));
      assert.equal(await git(repository, "for-each-ref"), tips);
    });
  }

  test("that cannot store what it gets is told apart from a full disk here", async () => {
    await using server = await gitServer({ token: TOKEN });
    const repository = await server.createRepository("www");
    await git(repository, "config", "receive.maxInputSize", "200");
    const error = told(await deploy(first, server.repositoryUrl("www", "git")));
    assert.equal(error.code, "PUSH_REJECTED");
    assert.match(error.message, /larger than the server takes/);
  });
});

describe("a server of ssh", { skip: sshServerMissing() }, () => {
  test("has words for a wrong key, a read-only key, an unknown and a changed host key, and no repository", async () => {
    await using server = await sshServer();
    await using reader = await sshServer({ root: server.root, readOnly: true });
    await using stranger = await sshServer();
    await server.createRepository("www");
    const by = (key: string, hosts: string) => ["--ssh-key", key, "--known-hosts", hosts];
    const here = by(server.clientKeyFile, server.knownHostsFile);
    const wrong = told(await deploy(first, server.url("www"), ...by(stranger.clientKeyFile, server.knownHostsFile)));
    assert.equal(wrong.code, "REPOSITORY_DENIED");
    assert.match(wrong.message, /the key is not allowed/);
    const readOnly = told(await deploy(first, reader.url("www"), ...by(reader.clientKeyFile, reader.knownHostsFile)));
    assert.equal(readOnly.code, "REPOSITORY_DENIED");
    assert.match(readOnly.hint, /write access/);
    const unknown = told(await deploy(first, server.url("www"), "--ssh-key", server.clientKeyFile));
    assert.match(unknown.message, /not one we know$/);
    const changed = project.directory.join("changed");
    await writeFile(changed, `[127.0.0.1]:${server.port} ${stranger.knownHosts.split(" ").slice(1).join(" ")}\n`);
    const other = told(await deploy(first, server.url("www"), ...by(server.clientKeyFile, changed)));
    assert.match(other.message, /it has changed/);
    const missing = told(await deploy(first, server.url("nowhere"), ...here));
    assert.equal(missing.code, "REPOSITORY_UNREACHABLE");
  });
});
