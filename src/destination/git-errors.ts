/** What git and a forge say when they refuse, as one clear error with the cause and the remedy. Pure. */
import { DeployError, type ErrorCode } from "../errors.ts";

interface Explanation {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly cause: string;
  readonly hint: string;
}

const EXPLANATIONS: readonly Explanation[] = [
  {
    pattern: /returned error: 30[1278]|unable to update url base from redirection/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the repository has moved, and credentials are not sent after it",
    hint: "give its new address",
  },
  {
    pattern: /Host key verification failed|No .* host key is known|REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: "REPOSITORY_DENIED",
    cause: "the host's ssh key is not one we know",
    hint: "give the host's line with known-hosts (ssh-keyscan HOST, compared with what the host publishes)",
  },
  {
    pattern:
      /Permission denied \(|Permission to .* denied|Load key .* (?:invalid|error)|not allow(?:ed)? .*push|key you are authenticating with has been marked as read only/i,
    code: "REPOSITORY_DENIED",
    cause: "the key is not allowed to do this",
    hint: "add the public half as a deploy key with write access to the deployment repository",
  },
  {
    pattern: /archived so it is read-only/i,
    code: "REPOSITORY_DENIED",
    cause: "the repository is archived",
    hint: "unarchive it, or deploy to another one",
  },
  {
    pattern:
      /Authentication failed|could not read (?:Username|Password)|returned error: 40[13]|HTTP 40[13]|Invalid username or|Bad credentials/i,
    code: "REPOSITORY_DENIED",
    cause: "the server does not accept the credentials",
    hint: "give a token that may write contents there (GITHUB_TOKEN reaches only its own repository), or a deploy key",
  },
  {
    pattern: /returned error: 413|HTTP 413|exceeds .*(?:file size|size limit)|GH001|larger than .* limit/i,
    code: "PUSH_REJECTED",
    cause: "something in the push is larger than the server takes",
    hint: "kernels are never cut: is the site still linked in? Volumes are cut into parts of 32 MiB",
  },
  {
    pattern: /returned error: 429|HTTP 429|rate limit/i,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the server asks to slow down",
    hint: "run again in a few minutes; GitHub takes six pushes a minute to one repository",
  },
  {
    pattern: /No space left on device|quota exceeded|disk full/i,
    code: "PUSH_REJECTED",
    cause: "the server has no room",
    hint: "free space there, or keep a shorter history",
  },
  {
    pattern: /protected branch|GH006|GH013|hook declined|denying|remote rejected/i,
    code: "PUSH_REJECTED",
    cause: "the server's rules refuse the push",
    hint: "let the deploying identity push to this branch (branch protection, rulesets, hooks)",
  },
  {
    pattern:
      /[Rr]epository .*not found|not found|does not appear to be a git repository|returned error: 404|does not exist|not a git repository/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "there is no repository at this address, or the credentials may not see it",
    hint: "create it (it may be empty) and check the address and the token's or key's access",
  },
  {
    pattern:
      /returned error: 5\d\d|HTTP 5\d\d|Internal Server Error|RPC failed|hung up|early EOF|unexpected disconnect|Connection (?:reset|closed)|Could not resolve host|Connection refused|[Ff]ailed to connect|timed out|unable to access/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the server could not be reached, or broke off",
    hint: "run again; if it stays, check the address, the network and any proxy (https_proxy)",
  },
];

/** A failed git command against `url` as an error; what the server itself said is kept as its problems. */
export function explainGitFailure(what: string, url: string, stderr: string): DeployError {
  const said = remoteLines(stderr);
  const known = EXPLANATIONS.find(({ pattern }) => pattern.test(stderr));
  if (known) {
    return new DeployError(known.code, `${what} ${url}: ${known.cause}`, { hint: known.hint, problems: said });
  }
  const last = stderr.trim().split("\n").at(-1) ?? "git gave no reason";
  return new DeployError("PROGRAM_FAILED", `${what} ${url}: ${last}`, { problems: said });
}

/** Whether a push failed because somebody else's landed first. */
export function isRace(output: string): boolean {
  return /non-fast-forward|fetch first|stale info|cannot lock ref|failed to update ref|incorrect old value|reference already exists/i.test(
    output,
  );
}

/** Whether trying the same again soon may help. */
export function isTransient(stderr: string): boolean {
  return /returned error: (?:429|5\d\d)|HTTP (?:429|5\d\d)|RPC failed|hung up|early EOF|unexpected disconnect|Connection (?:reset|closed)|timed out/i.test(
    stderr,
  );
}

const MAX_LINES = 12;

function remoteLines(stderr: string): string[] {
  const lines = stderr.split("\n").map((line) => line.trim());
  const told = lines.filter((line) => /^(?:remote:|fatal:|error:|ssh:|!)|Permission denied|Host key/.test(line));
  return told
    .map((line) => line.replace(/^remote:\s*/, "server: "))
    .filter((line) => line !== "server:")
    .slice(0, MAX_LINES);
}
