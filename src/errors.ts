/**
 * Everything a user can be told went wrong. An exception that is not a `DeployError` is a bug in this program and keeps
 * its stack. Pure.
 */

/** The reader's decision that an error asks for; each has one exit code. */
const EXIT_CODES = {
  /** Wrong usage, configuration or input: change what was given. */
  input: 2,
  /** Something failed while doing: I/O, network, a rejected push, the user's own build. */
  failed: 3,
  /** What was received is not what was promised: digest, signature, downgrade. */
  refused: 4,
} as const;

type Kind = keyof typeof EXIT_CODES;

/** The closed set of codes. docs/troubleshooting.md has a paragraph for each; a test keeps the two lists equal. */
const CODES = {
  USAGE: "input",
  CONFIG_INVALID: "input",
  UNSUPPORTED_PLATFORM: "input",
  SOURCE_UNKNOWN: "input",
  KERNEL_MISSING: "input",
  KERNEL_UNREADABLE: "input",
  SITE_UNREADABLE: "input",
  SITE_UNREPRESENTABLE: "input",
  IMAGE_INVALID: "input",
  MANIFEST_INVALID: "input",
  RELEASE_INVALID: "input",
  OUTPUT_NOT_OURS: "input",
  KEY_INVALID: "input",
  BUILD_FAILED: "failed",
  FILE_CHANGED: "failed",
  IO_FAILED: "failed",
  PROGRAM_MISSING: "failed",
  PROGRAM_FAILED: "failed",
  REPOSITORY_UNREACHABLE: "failed",
  REPOSITORY_DENIED: "failed",
  REPOSITORY_FOREIGN: "failed",
  PUSH_REJECTED: "failed",
  RELEASE_CONFLICT: "failed",
  RELEASE_MISSING: "failed",
  LAUNCH_FAILED: "failed",
  HEALTH_FAILED: "failed",
  CANCELLED: "failed",
  DIGEST_MISMATCH: "refused",
  SIGNATURE_INVALID: "refused",
  RELEASE_UNTRUSTED: "refused",
  DOWNGRADE: "refused",
} as const satisfies Record<string, Kind>;

export type ErrorCode = keyof typeof CODES;

export const ERROR_CODES = Object.keys(CODES) as readonly ErrorCode[];

/**
 * An error with a code from the closed set. The message says what was found and what was expected; `hint` says what to
 * change; `problems` lists every mistake where there are several, so that they can be fixed in one go.
 */
export class DeployError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly problems: readonly string[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; problems?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "DeployError";
    this.code = code;
    this.hint = options.hint;
    this.problems = options.problems ?? [];
  }

  /** The process exit code: 2 wrong input, 3 failed while doing, 4 verification refused. */
  get exitCode(): number {
    return EXIT_CODES[CODES[this.code]];
  }
}

/** The message of any thrown value, for use inside another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
