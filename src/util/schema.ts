/** What a schema library says of a document, in words for the person who wrote the document. Pure. */
import type * as v from "valibot";

/** One mistake: where it is in the document, and what was found and expected there. */
export interface SchemaProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Every issue as a problem. */
export function schemaProblems(issues: readonly v.BaseIssue<unknown>[]): SchemaProblem[] {
  return issues.flatMap((issue) => {
    // A value that fits no member of a union: the issues of the member that got furthest say more than "no member".
    const inner = issue.type === "union" || issue.type === "variant" ? deepest(issue.issues) : undefined;
    if (inner) return schemaProblems(inner);
    return [{ path: pathOf(issue), message: describe(issue) }];
  });
}

function deepest(issues: readonly v.BaseIssue<unknown>[] | undefined): readonly v.BaseIssue<unknown>[] | undefined {
  const nested = issues?.filter((issue) => issue.path !== undefined);
  return nested && nested.length > 0 ? nested : undefined;
}

function pathOf(issue: v.BaseIssue<unknown>): (string | number)[] {
  return (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
}

function describe(issue: v.BaseIssue<unknown>): string {
  // A rule about several keys of a map names them; all of the map would hide that.
  if (issue.kind !== "schema") return isMap(issue.input) ? issue.message : `${issue.message}, found ${found(issue)}`;
  if (issue.expected === "never") return "unknown key";
  if (issue.received === "undefined") return "missing";
  return `expected ${expectation(issue.expected)}, found ${found(issue)}`;
}

const isMap = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

function found(issue: v.BaseIssue<unknown>): string {
  const text = JSON.stringify(issue.input) ?? issue.received;
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

const WORDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  Array: "a list",
  Object: "a map",
};

function expectation(expected: string | null): string {
  return (expected ?? "something else").replace(/^\((.*)\)$/, "$1").replace(/\b\w+\b/g, (word) => WORDS[word] ?? word);
}

/** `volumes.data.from`, `kernels[0].size`. */
export function pathText(path: readonly (string | number)[]): string {
  return path.map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? key : `.${key}`)).join("");
}
