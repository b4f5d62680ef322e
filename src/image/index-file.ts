/**
 * The index beside an image: one line a file in image order, `<git blob id> <size> <path>`. Offsets follow from the
 * sizes, so they are not written. It tells what changed between two images without either of them. Pure.
 */
import { DeployError } from "../errors.ts";
import type { FileEntry } from "./tree.ts";
import { pathProblem } from "./tree.ts";

/** One file with its git blob id: 40 hex digits of sha1 over `blob <size>\0` and the content. */
export interface IndexEntry extends FileEntry {
  readonly id: string;
}

export function encodeIndex(entries: readonly IndexEntry[]): string {
  let text = "";
  for (const { id, size, path } of entries) text += `${id} ${size} ${path}\n`;
  return text;
}

/** Reads an index back; throws MANIFEST_INVALID with the line that is wrong. */
export function parseIndex(text: string): IndexEntry[] {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw invalid(lines.length + 1, "the last line does not end");
  return lines.map((line, i) => {
    const match = /^([0-9a-f]{40}) (0|[1-9][0-9]{0,15}) (.+)$/.exec(line);
    if (!match) throw invalid(i + 1, `expected "<blob id> <size> <path>", found ${JSON.stringify(line.slice(0, 80))}`);
    const [, id, size, path] = match as unknown as [string, string, string, string];
    const problem = pathProblem(path);
    if (problem) throw invalid(i + 1, problem);
    if (!Number.isSafeInteger(Number(size))) throw invalid(i + 1, `${path}: ${size} bytes`);
    return { id, size: Number(size), path };
  });
}

function invalid(line: number, what: string): DeployError {
  return new DeployError("MANIFEST_INVALID", `index line ${line}: ${what}`);
}
