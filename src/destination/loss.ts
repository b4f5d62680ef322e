/** A push that the server refused because of where its refs are: whose doing that is. */
import type { PushResult, RefUpdate, Workbench } from "./work-repository.ts";

export interface Loss {
  /** What the server said. */
  readonly why: Error;
  /** Whether somebody else has moved one of the refs; else the server would not move what nobody has moved. */
  readonly moved: boolean;
}

/**
 * Undefined where nothing is lost: the push was taken, or all refs are where we wanted them, as when an answer was lost and
 * the same was pushed again.
 */
export async function lossOf(
  work: Pick<Workbench, "refs">,
  updates: readonly RefUpdate[],
  push: PushResult,
): Promise<Loss | undefined> {
  if (push.kind === "pushed") return undefined;
  const refs = await work.refs(updates.map(({ name }) => name));
  if (updates.every(({ name, id }) => refs.get(name) === id)) return undefined;
  return { why: push.why, moved: updates.some(({ name, expected }) => refs.get(name) !== expected) };
}
