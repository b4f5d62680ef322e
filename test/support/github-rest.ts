/**
 * A stand-in for the few operations of GitHub's REST API that this project uses: comments live in memory, commits in a
 * real git repository. Any other operation is answered 501 and recorded, so that a test notices. Every request and every
 * answer is checked against GitHub's own description of its API.
 */
import type { IncomingMessage } from "node:http";
import { compare } from "./compare.ts";
import { readBody, sendJson, serve } from "./http.ts";
import { answerProblems, completed, requestProblems } from "./openapi.ts";

/** A request as the API saw it. */
export interface RestRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The JSON document that was sent, if any. */
  readonly body: unknown;
  /** `issues/list-comments` and so on; undefined for an operation that is not simulated. */
  readonly operation: string | undefined;
}

/** An answer: a status, and a JSON document. */
export interface RestAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A repository that the API knows. */
export interface RestRepository {
  /** `main` if absent. */
  readonly defaultBranch?: string;
  readonly private?: boolean;
  /** The git repository (its git directory or checkout) that answers questions about commits. */
  readonly git?: string;
  readonly pulls?: readonly RestPull[];
}

/** A pull request. */
export interface RestPull {
  readonly number: number;
  readonly state: "open" | "closed";
  /** owner:branch */
  readonly head: string;
  readonly sha: string;
}

/** What a token may do. */
export type Grants = Readonly<Record<string, "read" | "write">>;

/** A comment on an issue or a pull request. */
export interface RestComment {
  readonly id: number;
  readonly repository: string;
  readonly issue: number;
  readonly user: string;
  readonly body: string;
  /** How often it was changed. */
  readonly edits: number;
}

/** What `githubRest` is given. */
export interface GithubRestOptions {
  /** A token that may do anything. */
  readonly token: string;
  /** What any other token may do; undefined for one that nobody gave out. */
  readonly grants?: (token: string) => Grants | undefined;
  /** By full name, e.g. `owner/site`. */
  readonly repositories: Readonly<Record<string, RestRepository>>;
  /** Whose token it is; `github-actions[bot]` if absent. */
  readonly user?: string;
  /** Answer a request with this instead, e.g. a 403 for a missing permission; undefined lets it pass. */
  readonly fault?: (request: RestRequest) => RestAnswer | undefined;
}

/** A running API. */
export interface GithubRest extends AsyncDisposable {
  /** What GITHUB_API_URL is set to. */
  readonly url: string;
  readonly requests: readonly RestRequest[];
  /** Where a request or an answer is not as GitHub describes it. */
  readonly problems: readonly string[];
  /** All comments, oldest first. */
  readonly comments: readonly RestComment[];
  /** Add a comment without a request, by somebody else if `user` says so. */
  addComment(comment: { repository: string; issue: number; body: string; user?: string }): RestComment;
}

/** Start an API: `await using api = await githubRest({ token, repositories: { "owner/site": {} } })`. */
export async function githubRest(options: GithubRestOptions): Promise<GithubRest> {
  const requests: RestRequest[] = [];
  const problems: string[] = [];
  const comments = new Comments(options.user ?? "github-actions[bot]");
  const loopback = await serve(async (request, response) => {
    const url = new URL(request.url ?? "/", loopback.url);
    const route = findRoute(request.method ?? "GET", url.pathname);
    const record = await recordOf(request, url, route);
    requests.push(record);
    const answer = async (): Promise<RestAnswer> => {
      const grants = grantsOf(request, options);
      if (!grants) return failure(401, "Bad credentials");
      if (!route) return failure(501, `Not simulated: ${record.method} ${record.path}`);
      if (!isGranted(route, grants)) return failure(403, "Resource not accessible by integration");
      const fullName = `${route.values["owner"]}/${route.values["repo"]}`;
      const repository = options.repositories[fullName];
      if (!repository) return failure(404, "Not Found");
      const values = route.values;
      return await route.handle({ url, values, body: record.body, fullName, repository, comments, base: loopback.url });
    };
    if (route) problems.push(...requestProblems(route.operation, record.query, record.body));
    else problems.push(`not simulated: ${record.method} ${record.path}`);
    const { status, body: said, headers } = options.fault?.(record) ?? (await answer());
    const body = route && status < 300 ? completed(route.operation, status, said) : said;
    if (route) problems.push(...answerProblems(route.operation, status, body));
    sendJson(response, status, body, { "x-github-request-id": String(requests.length), ...headers });
  });
  return {
    url: loopback.url,
    requests,
    problems,
    comments: comments.all,
    addComment: (comment) => comments.add(comment),
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
}

/** Undefined for a token that is none. */
function grantsOf(request: IncomingMessage, options: GithubRestOptions): Grants | "all" | undefined {
  const token = /^(?:bearer|token) (\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  return token === options.token ? "all" : options.grants?.(token ?? "");
}

function isGranted({ method, permissions }: Route, grants: Grants | "all"): boolean {
  if (grants === "all" || permissions === undefined) return true;
  return permissions.some((name) => grants[name] === "write" || (grants[name] === "read" && method === "GET"));
}

async function recordOf(request: IncomingMessage, url: URL, route: FoundRoute | undefined): Promise<RestRequest> {
  const text = (await readBody(request)).toString();
  return {
    method: request.method ?? "GET",
    path: decodeURIComponent(url.pathname),
    query: Object.fromEntries(url.searchParams),
    body: text === "" ? undefined : JSON.parse(text),
    operation: route?.operation,
  };
}

function failure(status: number, message: string): RestAnswer {
  return { status, body: { message, documentation_url: "https://docs.github.com/rest", status: String(status) } };
}

interface Question {
  readonly url: URL;
  /** What stands for the names in the route's pattern, decoded. */
  readonly values: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly fullName: string;
  readonly repository: RestRepository;
  readonly comments: Comments;
  readonly base: string;
}

interface Route {
  readonly method: string;
  /** `{name}` stands for one segment, `{name...}` for all the rest. */
  readonly pattern: string;
  readonly operation: string;
  /** One of these is enough; any token will do if absent. */
  readonly permissions?: readonly string[];
  handle(question: Question): RestAnswer | Promise<RestAnswer>;
}

interface FoundRoute extends Route {
  readonly values: Readonly<Record<string, string>>;
}

const REPOSITORY = "/repos/{owner}/{repo}";

const ROUTES: readonly Route[] = [
  { method: "GET", pattern: REPOSITORY, operation: "repos/get", handle: getRepository },
  {
    method: "GET",
    pattern: `${REPOSITORY}/issues/{issue}/comments`,
    operation: "issues/list-comments",
    permissions: ["issues", "pull-requests"],
    handle: listComments,
  },
  {
    method: "POST",
    pattern: `${REPOSITORY}/issues/{issue}/comments`,
    operation: "issues/create-comment",
    permissions: ["issues", "pull-requests"],
    handle: createComment,
  },
  {
    method: "PATCH",
    pattern: `${REPOSITORY}/issues/comments/{comment}`,
    operation: "issues/update-comment",
    permissions: ["issues", "pull-requests"],
    handle: updateComment,
  },
  {
    method: "GET",
    pattern: `${REPOSITORY}/compare/{basehead...}`,
    operation: "repos/compare-commits-with-basehead",
    handle: compareCommits,
  },
  {
    method: "GET",
    pattern: `${REPOSITORY}/pulls`,
    operation: "pulls/list",
    permissions: ["pull-requests"],
    handle: listPulls,
  },
];

function findRoute(method: string, path: string): FoundRoute | undefined {
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const source = route.pattern.replaceAll(
      /\{(\w+)(\.\.\.)?\}/g,
      (_, name, rest) => `(?<${name}>${rest ? ".+" : "[^/]+"})`,
    );
    const groups = new RegExp(`^${source}$`).exec(path)?.groups;
    const values = (groups: Record<string, string>) =>
      Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
    if (groups) return { ...route, values: values(groups) };
  }
  return undefined;
}

function getRepository({ fullName, repository, base }: Question): RestAnswer {
  const [owner, name] = fullName.split("/");
  return {
    status: 200,
    body: {
      id: 1,
      name,
      full_name: fullName,
      owner: { login: owner },
      private: repository.private ?? false,
      default_branch: repository.defaultBranch ?? "main",
      url: `${base}/repos/${fullName}`,
    },
  };
}

function listPulls({ repository, url }: Question): RestAnswer {
  const head = url.searchParams.get("head");
  const state = url.searchParams.get("state") ?? "open";
  const pulls = (repository.pulls ?? []).filter(
    (pull) => (head === null || pull.head === head) && (state === "all" || pull.state === state),
  );
  const { items, headers } = page(pulls, url);
  const document = ({ number, state: now, head: label, sha }: RestPull) => {
    return { number, state: now, head: { label, ref: label.split(":")[1], sha } };
  };
  return { status: 200, body: items.map(document), headers };
}

class Comments {
  readonly all: RestComment[] = [];
  readonly #user: string;

  constructor(user: string) {
    this.#user = user;
  }

  add(comment: { repository: string; issue: number; body: string; user?: string }): RestComment {
    const added = { user: this.#user, edits: 0, ...comment, id: 1000 + this.all.length };
    this.all.push(added);
    return added;
  }

  update(id: number, body: string): RestComment | undefined {
    const at = this.all.findIndex((comment) => comment.id === id);
    const found = this.all[at];
    return found && (this.all[at] = { ...found, body, edits: found.edits + 1 });
  }
}

function listComments(question: Question): RestAnswer {
  const { comments, values, fullName, base } = question;
  const found = comments.all.filter(
    (comment) => comment.repository === fullName && comment.issue === Number(values["issue"]),
  );
  const { items, headers } = page(found, question.url);
  return { status: 200, body: items.map((comment) => commentDocument(comment, base)), headers };
}

function createComment({ comments, values, fullName, body, base }: Question): RestAnswer {
  const text = commentText(body);
  if (typeof text !== "string") return text;
  const comment = comments.add({ repository: fullName, issue: Number(values["issue"]), body: text });
  return { status: 201, body: commentDocument(comment, base) };
}

function updateComment({ comments, values, body, base }: Question): RestAnswer {
  const text = commentText(body);
  if (typeof text !== "string") return text;
  const comment = comments.update(Number(values["comment"]), text);
  return comment ? { status: 200, body: commentDocument(comment, base) } : failure(404, "Not Found");
}

const COMMENT_LIMIT = 65_536;

function commentText(document: unknown): string | RestAnswer {
  const text = (document as { body?: unknown } | undefined)?.body;
  if (typeof text !== "string" || text === "") return failure(422, "Validation Failed: body cannot be blank");
  if (text.length > COMMENT_LIMIT)
    return failure(422, `Validation Failed: body is too long (maximum is ${COMMENT_LIMIT} characters)`);
  return text;
}

function commentDocument({ id, repository, issue, user, body }: RestComment, base: string) {
  return {
    id,
    url: `${base}/repos/${repository}/issues/comments/${id}`,
    html_url: `https://github.com/${repository}/issues/${issue}#issuecomment-${id}`,
    issue_url: `${base}/repos/${repository}/issues/${issue}`,
    user: { login: user, type: user.endsWith("[bot]") ? "Bot" : "User" },
    body,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    author_association: "NONE",
  };
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly headers: Readonly<Record<string, string>>;
}

/** The part of a list that `page` and `per_page` ask for, and the links to the other parts. */
function page<Item>(all: readonly Item[], url: URL, { size = 30, limit = 100 } = {}): Page<Item> {
  const perPage = Math.min(Math.max(Number(url.searchParams.get("per_page") ?? size) || size, 1), limit);
  const current = Math.max(Number(url.searchParams.get("page") ?? 1) || 1, 1);
  const last = Math.max(Math.ceil(all.length / perPage), 1);
  const links: string[] = [];
  const link = (relation: string, number: number) => {
    const target = new URL(url);
    target.searchParams.set("page", String(number));
    links.push(`<${target.href}>; rel="${relation}"`);
  };
  if (current > 1) link("prev", current - 1);
  if (current < last) link("next", current + 1);
  if (current < last) link("last", last);
  if (current > 1) link("first", 1);
  const items = all.slice((current - 1) * perPage, current * perPage);
  return { items, headers: links.length > 0 ? { link: links.join(", ") } : {} };
}

/** The most commits of one page. */
const COMMIT_LIMIT = 250;

async function compareCommits({ repository, values, url, fullName, base }: Question): Promise<RestAnswer> {
  const { git } = repository;
  const [from = "", to = ""] = (values["basehead"] ?? "").split("...");
  const found = git === undefined || from === "" || to === "" ? undefined : await compare(git, from, to);
  if (!found) return failure(404, "Not Found");
  if (found.mergeBase === undefined) return failure(404, `No common ancestor between ${from} and ${to}.`);
  const { items, headers } = page(found.ahead, url, { size: COMMIT_LIMIT, limit: COMMIT_LIMIT });
  const document = (sha: string) => ({ sha, url: `${base}/repos/${fullName}/commits/${sha}` });
  return {
    status: 200,
    headers,
    body: {
      url: `${base}/repos/${fullName}/compare/${values["basehead"]}`,
      base_commit: document(found.base),
      merge_base_commit: document(found.mergeBase),
      status: found.status,
      ahead_by: found.ahead.length,
      behind_by: found.behind.length,
      total_commits: found.ahead.length,
      commits: items.map(document),
      files: found.files,
    },
  };
}
