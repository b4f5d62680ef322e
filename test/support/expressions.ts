/** Expressions of workflows, evaluated by GitHub's own evaluator over plain JSON. */
import { data, Evaluator, Lexer, Parser } from "@actions/expressions";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
/** What an expression may name: `github`, `needs` and so on. */
export type Contexts = Readonly<Record<string, Json>>;
/** How the job, or what it needs, has gone so far: what `success()` and its like answer from. */
export type Status = "success" | "failure" | "cancelled" | "skipped";

const STATUS_FUNCTIONS = ["success", "failure", "cancelled", "always"] as const;

/** The value of one expression, without its braces. Throws for one that GitHub would not take. */
export function evaluate(expression: string, contexts: Contexts, status: Status = "success"): Json {
  const answers = {
    success: status === "success",
    failure: status === "failure",
    cancelled: status === "cancelled",
    always: true,
  };
  const functions = STATUS_FUNCTIONS.map((name) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(answers[name]),
  }));
  const { tokens } = new Lexer(expression).lex();
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  const values = JSON.parse(JSON.stringify(contexts), data.reviver) as data.Dictionary;
  const result = new Evaluator(tree, values, new Map(functions.map((known) => [known.name, known]))).evaluate();
  return JSON.parse(JSON.stringify(result, data.replacer) ?? "null") as Json;
}

/** A value of a workflow with its expressions filled in; one that is nothing but an expression keeps its type. */
export function fillIn(value: Json, contexts: Contexts, status?: Status): Json {
  if (typeof value === "string") return fillInText(value, contexts, status);
  if (Array.isArray(value)) return value.map((item: Json) => fillIn(item, contexts, status));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, contexts, status)]));
}

function fillInText(text: string, contexts: Contexts, status?: Status): Json {
  const whole = /^\s*\$\{\{((?:(?!\}\}).)*)\}\}\s*$/s.exec(text);
  if (whole) return evaluate(whole[1] as string, contexts, status);
  return text.replaceAll(/\$\{\{((?:(?!\}\}).)*)\}\}/gs, (_, expression: string) =>
    asText(evaluate(expression, contexts, status)),
  );
}

/** As a string, in the way GitHub writes it into a script or an input. */
export function asText(value: Json): string {
  if (value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A condition: `success()` stands before one that asks for no status itself; none at all is `success()`. */
export function holds(condition: Json | undefined, contexts: Contexts, status: Status): boolean {
  const text = condition === undefined ? "success()" : asText(condition).replace(/^\s*\$\{\{(.*)\}\}\s*$/s, "$1");
  const asks = STATUS_FUNCTIONS.some((name) => new RegExp(`\\b${name}\\s*\\(`).test(text));
  const value = evaluate(asks ? text : `success() && (${text})`, contexts, status);
  return value !== false && value !== "" && value !== 0 && value !== null;
}
