/** What a run of a workflow knows about itself, as an action sees it. Pure. */

/** Where the run is: what a workflow knows as `github.*`. Everything has a default. */
export interface RunContext {
  /** `push` if absent. */
  readonly eventName?: string;
  /** `refs/heads/main` if absent. */
  readonly ref?: string;
  readonly sha?: string;
  /** `owner/site` if absent. */
  readonly repository?: string;
  /** `github.token`; masked from the start. */
  readonly token?: string;
  /** `main` if absent. */
  readonly defaultBranch?: string;
  readonly actor?: string;
  readonly runId?: string;
  /** Source and target branch of a pull request. */
  readonly headRef?: string;
  readonly baseRef?: string;
  readonly serverUrl?: string;
  readonly apiUrl?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The `github` context, by the names that expressions use, with every gap filled. */
export function githubContext(workspace: string, context: RunContext = {}) {
  const repository = context.repository ?? "owner/site";
  const ref = context.ref ?? "refs/heads/main";
  return {
    token: context.token ?? "ghs_the-token-of-this-run",
    event_name: context.eventName ?? "push",
    ref,
    ref_name: ref.replace(/^refs\/(heads|tags|pull)\//, ""),
    ref_type: ref.startsWith("refs/tags/") ? "tag" : "branch",
    ref_protected: "false",
    sha: context.sha ?? "0123456789abcdef0123456789abcdef01234567",
    repository,
    repository_id: "1",
    repository_owner: repository.split("/")[0] ?? "",
    repository_owner_id: "1",
    default_branch: context.defaultBranch ?? "main",
    head_ref: context.headRef ?? "",
    base_ref: context.baseRef ?? "",
    actor: context.actor ?? "octocat",
    actor_id: "1",
    triggering_actor: context.actor ?? "octocat",
    job: "deploy",
    workflow: "Deploy",
    workflow_ref: `${repository}/.github/workflows/deploy.yml@${ref}`,
    workflow_sha: context.sha ?? "0123456789abcdef0123456789abcdef01234567",
    run_id: context.runId ?? "1",
    run_number: "1",
    run_attempt: "1",
    retention_days: "90",
    server_url: context.serverUrl ?? "https://github.com",
    api_url: context.apiUrl ?? "https://api.github.com",
    graphql_url: `${context.apiUrl ?? "https://api.github.com"}/graphql`,
    action: "__self",
    workspace,
  };
}

/** The complete context. */
export type GithubContext = ReturnType<typeof githubContext>;

/** Known to expressions, but no variable of the environment. */
const NOT_IN_ENVIRONMENT: ReadonlySet<string> = new Set(["token", "default_branch"]);

/** The `GITHUB_*` variables that follow from the context. */
export function githubEnvironment(github: GithubContext): Record<string, string> {
  const variables = Object.entries(github).filter(([name]) => !NOT_IN_ENVIRONMENT.has(name));
  return Object.fromEntries(variables.map(([name, value]) => [`GITHUB_${name.toUpperCase()}`, value]));
}

/** The payload of the event: what every event has, and what the test says. */
export function eventPayload(event: Json | undefined, github: GithubContext): Json {
  const [owner, name] = github.repository.split("/");
  return {
    ref: github.ref,
    repository: {
      name,
      full_name: github.repository,
      owner: { login: owner },
      default_branch: github.default_branch,
      html_url: `${github.server_url}/${github.repository}`,
      private: false,
    },
    sender: { login: github.actor },
    ...event,
  };
}

/** A default of `action.yml` with its `${{ github.… }}` filled in; any other expression is an exception. */
export function evaluate(template: string, github: GithubContext): string {
  return template.replaceAll(/\$\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
    const name = /^github\.(\w+)$/.exec(expression)?.[1] ?? "";
    const value = (github as Json)[name];
    if (typeof value !== "string") throw new Error(`Not known to this stand-in: ${expression}`);
    return value;
  });
}
