/** Errors as text, so that the thread that fails can leave them where the sequencer finds them. */
import { DeployError, type ErrorCode, messageOf } from "../errors.ts";

interface Failure {
  readonly message: string;
  /** Of a `DeployError`. */
  readonly code?: ErrorCode;
  readonly hint?: string | undefined;
  /** Of a system error while writing; the sequencer knows what the image is called. */
  readonly system?: string;
  readonly stack?: string | undefined;
}

export function encodeFailure(error: unknown, doing: "fill" | "write"): string {
  return JSON.stringify(toFailure(error, doing));
}

function toFailure(error: unknown, doing: "fill" | "write"): Failure {
  const message = messageOf(error);
  if (error instanceof DeployError) return { message, code: error.code, hint: error.hint };
  if (doing === "write" && error instanceof Error && "code" in error) return { message, system: String(error.code) };
  return { message, stack: error instanceof Error ? error.stack : undefined };
}

/** The error again; `nameWrite` turns the system's error of a write into ours. */
export function decodeFailure(text: string, nameWrite: (error: Error) => Error): Error {
  const { message, code, hint, system, stack } = JSON.parse(text) as Failure;
  if (code !== undefined) return new DeployError(code, message, { hint });
  if (system !== undefined) return nameWrite(Object.assign(new Error(message), { code: system }));
  return Object.assign(new Error(message), { stack });
}
