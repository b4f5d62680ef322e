/** What a registry says when it refuses, as one clear error with the cause and the remedy. Pure. */
import { DeployError, type ErrorCode } from "../errors.ts";

/** What was asked of the registry, for messages and for telling causes apart. */
export interface Asked {
  /** `oci://…` without credentials. */
  readonly address: string;
  /** "to send blob sha256:…": follows "refused". */
  readonly purpose: string;
  readonly kind: "pull" | "push" | "delete";
  /** Whether credentials were sent. */
  readonly authorized: boolean;
}

interface Explanation {
  readonly status: RegExp;
  /** Error codes of the distribution-spec and texts of forges; any where absent. */
  readonly said?: RegExp;
  readonly kind?: Asked["kind"];
  readonly code: ErrorCode;
  readonly cause: string;
  readonly hint: string;
}

const EXPLANATIONS: readonly Explanation[] = [
  {
    status: /^(?:403|413|429|507|400)$/,
    said: /quota|storage limit|no space|insufficient storage|exceed/i,
    code: "PUSH_REJECTED",
    cause: "the registry has no room for this",
    hint: "free space there, raise the quota, or keep fewer releases (--history)",
  },
  {
    status: /^413$/,
    code: "PUSH_REJECTED",
    cause: "something in the release is larger than the registry, or a proxy before it, takes",
    hint: "volumes are sent in parts of 32 MiB at most once they have more than 50: raise the limit for one request",
  },
  {
    status: /^429$/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the registry asks to slow down",
    hint: "run again in a few minutes",
  },
  {
    status: /^4\d\d$/,
    said: /immutable|TAG_?ALREADY_?EXISTS|ImageTagAlreadyExists|PRECONDITION/i,
    kind: "push",
    code: "PUSH_REJECTED",
    cause: "the registry does not let tags move",
    hint: "turn off immutable tags for this repository: each deploy moves the newest release's tag",
  },
  {
    status: /^(?:401|403)$/,
    code: "REPOSITORY_DENIED",
    cause: "the registry does not accept the credentials for this",
    hint: "give a token that may do this (for ghcr.io: packages: write in the job's permissions)",
  },
  {
    status: /^40[04]$/,
    said: /MANIFEST_BLOB_UNKNOWN/,
    kind: "push",
    code: "PUSH_REJECTED",
    cause: "it does not find a blob that it has taken, also when asked again",
    hint: "run again: every blob is asked for before it is sent",
  },
  {
    status: /^404$/,
    kind: "push",
    code: "REPOSITORY_UNREACHABLE",
    cause: "there is no such repository, or the credentials may not see it",
    hint: "some registries want it created first; else check the address and the token's access",
  },
  {
    status: /^404$/,
    code: "RELEASE_MISSING",
    cause: "the registry does not have it",
    hint: "was it deleted there? Deploying again with --force sends it anew",
  },
  {
    status: /^(?:405|501)$|^400$/,
    said: /UNSUPPORTED|not allowed|disabled/i,
    kind: "delete",
    code: "PUSH_REJECTED",
    cause: "the registry does not let tags be deleted",
    hint: "use the registry's own retention rules, or allow deletion there",
  },
  {
    status: /^(?:405|415|501)$|^400$/,
    said: /UNSUPPORTED|MANIFEST_INVALID|media ?type|schema/i,
    kind: "push",
    code: "PUSH_REJECTED",
    cause: "the registry does not take what an OCI 1.1 release needs",
    hint: "it has to speak distribution-spec 1.0 or newer and take any media type of a layer",
  },
  {
    status: /^405$/,
    code: "PUSH_REJECTED",
    cause: "the registry does not allow this",
    hint: "is it read-only, or a mirror? Give the address of one that can be written",
  },
  {
    status: /^400$/,
    said: /DIGEST_INVALID|SIZE_INVALID/,
    kind: "push",
    code: "FILE_CHANGED",
    cause: "what arrived has another digest: a file changed while it was sent",
    hint: "does something write to the release directory? Run again",
  },
  {
    status: /^3\d\d$/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the registry sends us elsewhere, where this program does not follow",
    hint: "give the registry's own address",
  },
  {
    status: /^5\d\d$/,
    code: "REPOSITORY_UNREACHABLE",
    cause: "the registry failed, also when asked again",
    hint: "run again; if it stays, look into the registry's log",
  },
];

/** The error for an answer that is not what was asked for. `body` is what the registry had to say, cut short. */
export function refusal(asked: Asked, status: number, body: string): DeployError {
  const said = sayings(body);
  const text = `${status} ${said} ${body}`;
  const found = EXPLANATIONS.find(
    (explanation) =>
      explanation.status.test(String(status)) &&
      (explanation.said?.test(text) ?? true) &&
      (explanation.kind ?? asked.kind) === asked.kind,
  );
  const { address, purpose, authorized } = asked;
  const answer = `status ${status}${said === "" ? "" : `: ${said}`}`;
  const fallback = asked.kind === "pull" ? "REPOSITORY_UNREACHABLE" : "PUSH_REJECTED";
  if (!found) return new DeployError(fallback, `${address} refused ${purpose} (${answer})`, { hint: OTHERWISE });
  if (found.code === "REPOSITORY_DENIED" && !authorized) {
    return new DeployError(found.code, `${address} refused ${purpose}: it asks for credentials (${answer})`, {
      hint: CREDENTIALS,
    });
  }
  return new DeployError(found.code, `${address} refused ${purpose}: ${found.cause} (${answer})`, { hint: found.hint });
}

const OTHERWISE = "is this the address of an OCI registry, with the registry's host before the first slash?";
const CREDENTIALS =
  'set UNIKERNEL_DEPLOY_TOKEN, give the Action its input "token", or log in (docker login writes ~/.docker/config.json)';

/** `{"errors": [{"code", "message"}]}` (distribution-spec, "Error Codes"); else the first line of the text. */
function sayings(body: string): string {
  try {
    const { errors } = JSON.parse(body) as { errors?: unknown };
    if (Array.isArray(errors)) {
      const texts = errors
        .slice(0, 3)
        .map((error: { code?: unknown; message?: unknown } | null) =>
          [error?.code, error?.message].filter((part) => typeof part === "string" && part !== "").join(": "),
        );
      return plainText(texts.join("; "));
    }
  } catch {
    // Proxies answer with pages.
  }
  return /^\s*</.test(body) ? "" : plainText(body.trim().split("\n")[0] ?? "");
}

/** Somebody else's text, fit for a line of ours. */
export function plainText(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").slice(0, 200);
}
