/** GitHub's own description of its REST API, against which requests and answers are checked. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly format?: string;
}

interface Content {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

const DOCUMENT = JSON.parse(readFileSync(join(import.meta.dirname, "openapi", "github.json"), "utf8")) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
};

const OPERATIONS = new Map(
  Object.values(DOCUMENT.paths).flatMap((item) =>
    Object.values(item).map((operation) => [operation.operationId, operation] as const),
  ),
);

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema({ $id: "github", components: jsonSchema(DOCUMENT.components) });
const compiled = new Map<string, ValidateFunction>();

/** What a request has that GitHub does not take. */
export function requestProblems(operation: string, query: Readonly<Record<string, string>>, body: unknown): string[] {
  const described = OPERATIONS.get(operation);
  if (!described) return [`${operation}: GitHub has no such operation`];
  const parameters = (described.parameters ?? []).map((parameter) => resolve(parameter) as Parameter);
  const known = parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name);
  const unknown = Object.keys(query).filter((name) => !known.includes(name));
  const schema = described.requestBody?.content?.["application/json"]?.schema;
  return [
    ...unknown.map((name) => `${operation}: no such parameter: ${name}`),
    ...(schema ? problemsOf(`${operation} request`, schema, body ?? {}) : []),
    ...(!schema && body !== undefined ? [`${operation}: takes no body`] : []),
  ];
}

/** What an answer has that GitHub's would not. */
export function answerProblems(operation: string, status: number, body: unknown): string[] {
  const described = OPERATIONS.get(operation);
  const answer = described?.responses[String(status)];
  // Any operation may be refused, whether that is written down or not.
  if (!answer) return status >= 400 ? [] : [`${operation}: GitHub does not answer ${status}`];
  const schema = (resolve(answer) as Content).content?.["application/json"]?.schema;
  return schema ? problemsOf(`${operation} ${status}`, schema, body) : [];
}

/** The document with every field that GitHub always sends; those that are not given are as small as may be. */
export function completed(operation: string, status: number, document: unknown): unknown {
  const answer = OPERATIONS.get(operation)?.responses[String(status)];
  const schema = answer && (resolve(answer) as Content).content?.["application/json"]?.schema;
  return schema ? complete(schema, document) : document;
}

/** OpenAPI 3.0 says `nullable` where JSON Schema has a type for it. */
function jsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(jsonSchema);
  if (typeof node !== "object" || node === null) return node;
  const { nullable, ...rest } = node as Record<string, unknown>;
  const schema = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, jsonSchema(value)]));
  if (typeof nullable === "object") return { ...schema, nullable: jsonSchema(nullable) };
  return nullable === true ? { anyOf: [{ type: "null" }, schema] } : schema;
}

function problemsOf(what: string, schema: Schema, value: unknown): string[] {
  let validate = compiled.get(what);
  if (!validate) {
    validate = ajv.compile(JSON.parse(JSON.stringify(jsonSchema(schema)).replaceAll('"#/', '"github#/')) as object);
    compiled.set(what, validate);
  }
  return validate(value) ? [] : [`${what}: ${ajv.errorsText(validate.errors)}`];
}

function resolve<T extends { readonly $ref?: string }>(node: T): object {
  if (node.$ref === undefined) return node;
  const found = node.$ref
    .slice(2)
    .split("/")
    .reduce((at: unknown, name) => (at as Record<string, unknown>)[name], DOCUMENT);
  return resolve(found as T);
}

function complete(unresolved: Schema, value: unknown): unknown {
  const schema = merged(resolve(unresolved) as Schema);
  if (value === null || (value !== undefined && typeof value !== "object")) return value;
  if (Array.isArray(value)) return value.map((item) => (schema.items ? complete(schema.items, item) : item));
  if (value === undefined) {
    if (schema.enum) return schema.enum[0];
    if (schema.nullable) return null;
    if (schema.type === "array") return [];
    if (schema.type === "integer" || schema.type === "number") return 1;
    if (schema.type === "boolean") return false;
    if (schema.type === "string") return schema.format === "date-time" ? "2026-01-01T00:00:00Z" : "x";
  }
  const given = (value ?? {}) as Record<string, unknown>;
  const names = new Set([...(schema.required ?? []), ...Object.keys(given)]);
  const fields = [...names].map((name) => [name, complete(schema.properties?.[name] ?? {}, given[name])]);
  return Object.fromEntries(fields);
}

/** One schema instead of several: all of them, or the first of those to choose from. */
function merged(schema: Schema): Schema {
  const choice = schema.anyOf?.[0] ?? schema.oneOf?.[0];
  const parts = [...(schema.allOf ?? []), ...(choice ? [choice] : [])].map((part) => merged(resolve(part) as Schema));
  return parts.reduce<Schema>(
    (all, part) => ({
      ...part,
      ...all,
      required: [...(all.required ?? []), ...(part.required ?? [])],
      properties: { ...part.properties, ...all.properties },
    }),
    schema,
  );
}
