/**
 * A guest's console: what it says, line by line, in bounded memory. What a guest prints is not trusted, so what is shown
 * of it can neither steer a terminal nor give commands to the runner that reads our log. Pure.
 */

/** The end of the console that is kept (bytes). */
const KEPT = 64 * 1024;
/** A longer line is taken in pieces (bytes). */
const MAX_LINE = 4096;

export class ConsoleLog {
  #lines: string[] = [];
  #kept = 0;
  #partial = "";
  #bytes = 0;
  readonly #watchers = new Set<(line: string) => void>();

  /** Bytes that the guest has printed so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The last 64 KiB, without carriage returns. */
  get text(): string {
    return [...this.#lines, this.#partial].join("\n");
  }

  write(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    const pieces = (
      this.#partial + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("latin1")
    ).split("\n");
    this.#partial = pieces.pop() as string;
    for (const piece of pieces) this.#line(piece);
    while (this.#partial.length > MAX_LINE) {
      this.#line(this.#partial.slice(0, MAX_LINE));
      this.#partial = this.#partial.slice(MAX_LINE);
    }
  }

  /** A last line that does not end is a line all the same. */
  end(): void {
    if (this.#partial !== "") this.#line(this.#partial);
    this.#partial = "";
  }

  /** Calls `watcher` with every line, beginning with those that are kept; returns how to stop that. */
  watch(watcher: (line: string) => void): () => void {
    for (const line of this.#lines) watcher(line);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The last lines, fit to be shown. */
  tail(count: number): string[] {
    return [...this.#lines, ...(this.#partial === "" ? [] : [this.#partial])].slice(-count).map(shown);
  }

  #line(raw: string): void {
    // The bytes are UTF-8 as a rule; a line holds whole characters, which a chunk need not.
    const line = Buffer.from(raw, "latin1").toString("utf8").replace(/\r+$/, "");
    this.#lines.push(line);
    this.#kept += line.length + 1;
    while (this.#kept > KEPT && this.#lines.length > 1) this.#kept -= (this.#lines.shift() as string).length + 1;
    for (const watcher of this.#watchers) watcher(line);
  }
}

const ESCAPES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|[@-_])/g;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** A line of a guest for a log or a report: no control characters, no workflow command, at most 300 characters. */
export function shown(line: string): string {
  const plain = line
    .replaceAll(ESCAPES, "")
    .replaceAll("\t", " ")
    .replaceAll(CONTROLS, "")
    .replaceAll("##[", "## [")
    .trimEnd();
  const safe = plain.replace(/^(\s*)::/, "$1: :");
  return safe.length > 300 ? `${safe.slice(0, 300)}…` : safe;
}
