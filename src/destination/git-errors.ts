/** What git and a forge say when they refuse, as one clear error with the cause and the remedy. Pure. */
import { DeployError, type ErrorCode } from "../errors.ts";
import { OBEYED } from "../util/printable.ts";

interface Explanation {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly cause: string;
  readonly hint: string;
}

/** A ref whose name ours would be inside of, or the other way round. */
const IN_THE_WAY = /cannot lock ref .*(?:exists; cannot create|Not a directory)/;

/** The first that fits explains: what a server says for itself stands before what git says of any refusal. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    pattern: /cannot run ssh|ssh: (?:command )?not found/,
    code: "PROGRAM_MISSING",
    cause: "ssh is not installed or not in PATH",
    hint: "install an OpenSSH client (Debian: apt-get install openssh-client)",
  },
  {
    // Of our own configuration: what the user's has wrong is the user's.
    pattern: /unikernel-deploy-ssh[^\n]*(?:Bad configuration|Unsupported) option|^ssh: (?:unknown|illegal) option -- /m,
    code: "PROGRAM_MISSING",
    cause: "ssh does not know what we ask of it: it is too old",
    hint: "install OpenSSH 8.1 or later, or give a token and an https address",
  },
  {
    pattern: /no matching (?:host key type|key exchange method|cipher|MAC)/i,
    code: "REPOSITORY_UNREACHABLE",
    cause: "ssh here and the server have no algorithm in common",
    hint: "one of the two is very old, or allows few: bring both up to date",
  },
  {
    pattern: /Too many authentication failures/,
    code: "REPOSITORY_DENIED",
    cause: "the server does not accept the key, and asks for no other",
    hint: "add the public half as a deploy key with write access to the deployment repository",
  },
  {
    pattern: /returned error: 30[1278]|unable to update url base from redirection/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the repository has moved, and credentials are not sent after it",
    hint: "give its new address (GitLab: with .git at its end)",
  },
  {
    pattern:
      /returned error: 407|HTTP code \d+ from proxy|[Pp]roxy CONNECT aborted|CONNECT tunnel failed|resolve proxy/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the proxy does not let us through",
    hint: "check https_proxy and no_proxy, and the user and password in it",
  },
  {
    pattern: /SSL certificate problem|server certificate verification failed|certificate has expired/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the server's certificate is not one this machine trusts",
    hint: "for an authority of your own, set GIT_SSL_CAINFO to a file of its certificate",
  },
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: "REPOSITORY_DENIED",
    cause: "the host's ssh key is not the one we know: it has changed, or another machine answers",
    hint: "ask whoever runs the host; if it has a new key, give the new line with known-hosts",
  },
  {
    pattern: /Host key verification failed|No .* host key is known/,
    code: "REPOSITORY_DENIED",
    cause: "the host's ssh key is not one we know",
    hint: "give the host's line with known-hosts (ssh-keyscan -p PORT HOST, compared with what the host publishes)",
  },
  {
    pattern: /archived so it is read-only|(?:repository|repo) is archived|archived project/i,
    code: "REPOSITORY_DENIED",
    cause: "the repository is archived",
    hint: "unarchive it, or deploy to another one",
  },
  {
    pattern:
      /Permission denied \(|Load key .* (?:invalid|error)|marked as read only|deploy key does not have write|denied to deploy key/i,
    code: "REPOSITORY_DENIED",
    cause: "the key is not allowed to do this",
    hint: "add the public half as a deploy key with write access to the deployment repository",
  },
  {
    pattern: /PUSH PROTECTION|secret[- ]scanning|Push cannot contain secrets/i,
    code: "PUSH_REJECTED",
    cause: "the forge found what looks like a secret in the push",
    hint: "take it out of the site and replace it wherever it is used; the check secret-material finds most",
  },
  {
    pattern:
      /returned error: 413|HTTP 413|GH001|larger than .* limit|exceeds .*(?:file size|size limit)|file larger than|exceeds maximum allowed size/i,
    code: "PUSH_REJECTED",
    cause: "something in the push is larger than the server takes",
    hint: "kernels are never cut: is the site still linked in? Volumes are cut into parts of 32 MiB",
  },
  {
    pattern: /exceeded its size limit|over its size limit|quota/i,
    code: "PUSH_REJECTED",
    cause: "the repository has no room left",
    hint: "keep a shorter history (history, or the verb prune), or have its quota raised",
  },
  {
    pattern: /returned error: 429|HTTP 429|rate limit|too many requests/i,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the server asks to slow down",
    hint: "run again in a few minutes; GitHub takes six pushes a minute to one repository",
  },
  {
    pattern: /protected branch|GH006/i,
    code: "PUSH_REJECTED",
    cause: "the branch is protected",
    hint: "let the deploying identity push to it (branch protection: who may push, no pull request required for it)",
  },
  {
    pattern: /GH013|repository rule/i,
    code: "PUSH_REJECTED",
    cause: "a rule of the repository refuses the push",
    hint: "let the deploying identity bypass it (rulesets: bypass list), for the branch and for tags source/…",
  },
  {
    pattern: /pre-receive hook declined|update hook declined|hook declined|PRE-RECEIVE/i,
    code: "PUSH_REJECTED",
    cause: "a hook of the server refuses the push",
    hint: "the server's words are above; whoever runs it knows the rule",
  },
  {
    pattern:
      /returned error: 403|HTTP 403|Permission to .* denied|Write access to repository not granted|not allow(?:ed)? .*push|permission denied for writing/i,
    code: "REPOSITORY_DENIED",
    cause: "the credentials may not write there",
    hint: "give a token with contents: write for that repository (GITHUB_TOKEN reaches only its own), or a deploy key",
  },
  {
    pattern:
      /Authentication failed|could not read (?:Username|Password)|returned error: 401|HTTP 401|Invalid username or|Bad credentials|Access denied/i,
    code: "REPOSITORY_DENIED",
    cause: "the server does not accept the credentials",
    hint: "is the token expired, or for another server? Give one with contents: write there, or a deploy key",
  },
  {
    pattern:
      /^(?:remote: .*|.*(?:unpack|unpacker).*)(?:No space left on device|disk full|unable to create temporary)|unpacker error/im,
    code: "PUSH_REJECTED",
    cause: "the server could not store the push",
    hint: "its disk is full or its repository is not writable: free space there, or ask whoever runs it",
  },
  {
    pattern: /No space left on device/,
    code: "IO_FAILED",
    cause: "the disk here is full",
    hint: "free some space (temporary files are in TMPDIR) and run again",
  },
  {
    pattern: /dubious ownership/,
    code: "REPOSITORY_DENIED",
    cause: "git reads no repository of another user's",
    hint: "run as its owner, or: git config --global --add safe.directory DIR",
  },
  {
    pattern: /refusing to update checked out branch/,
    code: "PUSH_REJECTED",
    cause: "it is a checkout with this branch checked out",
    hint: "deploy to a bare repository (git init --bare)",
  },
  {
    pattern: IN_THE_WAY,
    code: "PUSH_REJECTED",
    cause: "a branch or tag that is there has a name that ours would be inside of, or the other way round",
    hint: "git cannot have both main and main/x: rename or remove the one that is not wanted, or deploy to another branch",
  },
  {
    pattern: /denying|remote rejected/i,
    code: "PUSH_REJECTED",
    cause: "the server refuses the push",
    hint: "let the deploying identity push to this branch and create tags source/…",
  },
  {
    pattern:
      /repository .*not found|not found|project you were looking for could not be found|does not appear to be a git repository|returned error: 404|HTTP 404|does not exist|not a git repository/i,
    code: "REPOSITORY_UNREACHABLE",
    cause: "there is no repository at this address, or the credentials may not see it",
    hint: "create it (it may be empty) and check the address and the token's or key's access",
  },
  {
    pattern:
      /returned error: 5\d\d|HTTP 5\d\d|Internal Server Error|RPC failed|hung up|early EOF|unexpected disconnect|Connection (?:reset|closed)|Could not resolve host|name resolution|No route to host|Network is unreachable|Connection refused|[Ff]ailed to connect|timed out|unable to access/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the server could not be reached, or broke off",
    hint: "run again; if it stays, check the address, the network and any proxy (https_proxy)",
  },
];

/** What git says below every failure of ssh. */
const ADVICE = /^Please make sure you have the correct access rights|^and the repository exists\./;

/** A failed git command against `url` as an error; what the server itself said is kept as its problems. */
export function explainGitFailure(what: string, url: string, stderr: string): DeployError {
  const clean = plain(stderr);
  const said = remoteLines(clean);
  const known = EXPLANATIONS.find(({ pattern }) => pattern.test(clean));
  if (known) {
    return new DeployError(known.code, `${what} ${url}: ${known.cause}`, { hint: known.hint, problems: said });
  }
  const last = clean.split("\n").findLast((line) => line.trim() !== "" && !ADVICE.test(line)) ?? "git gave no reason";
  return new DeployError("PROGRAM_FAILED", `${what} ${url}: ${bounded(last)}`, { problems: said });
}

/** Whether a push may have failed because somebody else's landed first: so it is where a ref has moved since. */
export function isRace(output: string): boolean {
  return (
    !IN_THE_WAY.test(output) &&
    /non-fast-forward|fetch first|stale info|cannot lock ref|failed to update ref|incorrect old value|reference already exists|atomic transaction failed/i.test(
      output,
    )
  );
}

/** Whether trying the same again soon may help: not where the server has said why, nor after a silence that was long already. */
export function isTransient(stderr: string): boolean {
  if (/curl 28|Operation too slow/i.test(stderr)) return false;
  const known = EXPLANATIONS.find(({ pattern }) => pattern.test(plain(stderr)));
  if (known?.code !== "REPOSITORY_UNREACHABLE") return false;
  return /returned error: (?:429|5\d\d)|HTTP (?:429|5\d\d)|RPC failed|hung up|early EOF|unexpected disconnect|Connection (?:reset|closed)|timed out/i.test(
    stderr,
  );
}

const MAX_LINES = 16;
const MAX_LINE = 300;

/** A server's text without what a terminal would obey: escape sequences, control characters, turns of direction. */
export function plain(text: string): string {
  return text
    .replaceAll(/(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-_])/g, "")
    .replaceAll("\r", "\n")
    .replaceAll(OBEYED, "");
}

const bounded = (line: string) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line);

function remoteLines(stderr: string): string[] {
  const lines = stderr.split("\n").map((line) => line.trim());
  const told = lines.filter((line) => /^(?:remote:|fatal:|error:|ssh:|ERROR:|!)|Permission denied|Host key/.test(line));
  const said = told
    .map((line) => bounded(line.replace(/^remote:\s*/, "server: ").trim()))
    // Lines that only draw.
    .filter((line) => /[A-Za-z0-9]/.test(line.replace(/^server:/, "")));
  return said.length > MAX_LINES ? [...said.slice(0, MAX_LINES), `… and ${said.length - MAX_LINES} more lines`] : said;
}
