/**
 * What an action says to the runner: commands on stdout (`::error file=a.txt::message`) and entries in the files that
 * GITHUB_OUTPUT and its like name. Pure.
 */

/** A command on stdout, unescaped. */
export interface WorkflowCommand {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly message: string;
}

const COMMAND = /^\s*::([^\s:]+)(?:\s+(.*?))?\s*::(.*)$/s;

/** The command that a line of output is, or undefined for any other line. */
export function parseWorkflowCommand(line: string): WorkflowCommand | undefined {
  const match = COMMAND.exec(line);
  if (!match) return undefined;
  const [, name = "", list = "", message = ""] = match;
  const properties: Record<string, string> = {};
  for (const property of list.split(",")) {
    const equals = property.indexOf("=");
    if (equals > 0) properties[property.slice(0, equals).trim()] = unescapeProperty(property.slice(equals + 1));
  }
  return { name, properties, message: unescapeData(message) };
}

function unescapeData(text: string): string {
  return text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");
}

function unescapeProperty(text: string): string {
  return unescapeData(text.replaceAll("%3A", ":").replaceAll("%2C", ","));
}

/**
 * The entries of a file of commands, `name=value` or `name<<DELIMITER`, in order. Throws with the runner's own words
 * where the runner fails the step.
 */
export function parseFileCommands(content: string): [name: string, value: string][] {
  const entries: [string, string][] = [];
  const lines = content.split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line === "") continue;
    const equals = line.indexOf("=");
    const heredoc = line.indexOf("<<");
    if (heredoc >= 0 && (equals < 0 || heredoc < equals)) {
      const delimiter = line.slice(heredoc + 2);
      const end = lines.indexOf(delimiter, at + 1);
      if (heredoc === 0 || delimiter === "") throw new Error(`Invalid format '${line}'`);
      if (end < 0) throw new Error(`Invalid value. Matching delimiter not found '${delimiter}'`);
      entries.push([line.slice(0, heredoc), lines.slice(at + 1, end).join("\n")]);
      at = end;
    } else {
      if (equals <= 0) throw new Error(`Invalid format '${line}'`);
      entries.push([line.slice(0, equals), line.slice(equals + 1)]);
    }
  }
  return entries;
}

/** Where a message belongs and how grave it is; `file`, `line`, `title` and so on are among the properties. */
export interface Annotation {
  readonly level: "error" | "warning" | "notice";
  readonly message: string;
  readonly properties: Readonly<Record<string, string>>;
}

const ANNOTATIONS: ReadonlySet<string> = new Set<Annotation["level"]>(["error", "warning", "notice"]);
const REMOVED: ReadonlySet<string> = new Set(["set-output", "set-env", "add-path"]);
/** Obeyed without a trace in the log, or nothing to a stand-in. */
const SILENT: ReadonlySet<string> = new Set(["debug", "echo", "add-matcher", "remove-matcher"]);

/**
 * The runner's reading of an action's output, one line at a time: what it shows, what it hides, and what it does.
 */
export class WorkflowLog {
  readonly annotations: Annotation[] = [];
  /** What `save-state` left for the post step. */
  readonly state: Record<string, string> = {};
  readonly masks = new Set<string>();
  readonly #shown: string[] = [];
  readonly #raw: string[] = [];
  #resumeToken: string | undefined;

  /** Hide a value, and each of its lines, from here on. */
  mask(secret: string): void {
    for (const line of [secret, ...secret.split(/\r?\n/)]) if (line.trim() !== "") this.masks.add(line);
  }

  /** The text as a reader sees it. */
  redact(text: string): string {
    const longestFirst = [...this.masks].toSorted((a, b) => b.length - a.length);
    return longestFirst.reduce((redacted, secret) => redacted.replaceAll(secret, "***"), text);
  }

  /** Take a line of the action's output. */
  line(line: string): void {
    this.#raw.push(line);
    const command = parseWorkflowCommand(line);
    if (this.#resumeToken !== undefined) {
      if (command?.name === this.#resumeToken) this.#resumeToken = undefined;
      else this.#show(line);
    } else if (!command || !this.#obey(command)) this.#show(line);
  }

  /** Say something as the runner itself. */
  annotate(level: Annotation["level"], message: string, properties: Annotation["properties"] = {}): void {
    this.annotations.push({ level, message: this.redact(message), properties });
    this.#show(`##[${level}]${message}`);
  }

  /** What was shown so far, secrets hidden, and what the action really wrote. */
  text(): { shown: string; raw: string } {
    const join = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
    return { shown: join(this.#shown), raw: join(this.#raw) };
  }

  #show(line: string): void {
    this.#shown.push(this.redact(line));
  }

  /** False for a name that the runner does not know: then the line is only a line. */
  #obey({ name, properties, message }: WorkflowCommand): boolean {
    if (name === "add-mask") this.mask(message);
    else if (name === "stop-commands") this.#resumeToken = message;
    else if (name === "save-state") this.state[properties["name"] ?? ""] = message;
    else if (isLevel(name)) this.annotate(name, message, properties);
    else if (REMOVED.has(name)) this.annotate("error", `The \`${name}\` command is disabled.`);
    else if (name === "group") this.#show(`##[group]${message}`);
    else if (name === "endgroup") this.#show("##[endgroup]");
    else return SILENT.has(name);
    return true;
  }
}

function isLevel(name: string): name is Annotation["level"] {
  return ANNOTATIONS.has(name);
}
