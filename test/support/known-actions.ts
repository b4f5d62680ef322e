/** Stand-ins for the actions of others that our workflows use, doing what those do as far as our workflows can tell. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { type ArtifactStore, unpack } from "./artifact-store.ts";
import { git } from "./process.ts";
import { ROOT } from "./project.ts";

export const OURS = "unikernel-deploy/unikernel-deploy";

/** What a job's token may do, by what it may do it to. */
export type Permissions = Readonly<Record<string, "read" | "write">>;

/** A repository that a checkout can ask for. */
export interface KnownRepository {
  /** A git directory or checkout. */
  readonly git: string;
  /** Needs `contents: read` then. */
  readonly private?: boolean;
}

/** An attestation that was made. */
export interface Attestation {
  readonly job: string;
  /** Lines of a checksums file. */
  readonly subjects: readonly string[];
}

/** What an action of others can reach. */
export interface ActionWorld {
  readonly job: string;
  readonly workspace: string;
  readonly token: string;
  readonly permissions: Permissions;
  readonly repository: string;
  readonly sha: string;
  readonly serverUrl: string;
  readonly repositories: Readonly<Record<string, KnownRepository>>;
  readonly artifacts: ArtifactStore;
  readonly attestations: Attestation[];
}

type Inputs = Readonly<Record<string, string>>;
type Outputs = Readonly<Record<string, string>>;

/** Runs the action of that name; throws what makes its step fail, and for an action that nobody knows. */
export async function runKnownAction(name: string, inputs: Inputs, world: ActionWorld): Promise<Outputs> {
  const action = ACTIONS[name];
  if (!action) throw new Error(`Not known to this stand-in: ${name}`);
  return action(inputs, world);
}

const ACTIONS: Readonly<Record<string, (inputs: Inputs, world: ActionWorld) => Promise<Outputs>>> = {
  "actions/checkout": checkout,
  "actions/upload-artifact": uploadArtifact,
  "actions/download-artifact": downloadArtifact,
  "actions/attest-build-provenance": attest,
  "actions/setup-node": async () => ({}),
  "ocaml/setup-ocaml": async () => ({}),
};

async function checkout(inputs: Inputs, world: ActionWorld): Promise<Outputs> {
  const name = inputs["repository"] || world.repository;
  const into = path.resolve(world.workspace, inputs["path"] ?? "");
  if (name === OURS) return checkoutOurs(into);
  const repository = world.repositories[name];
  if (!repository || (repository.private && world.permissions["contents"] === undefined))
    throw new Error(`remote: Repository not found. fatal: repository '${world.serverUrl}/${name}/' not found`);
  const ref = inputs["ref"] || (name === world.repository ? world.sha : "HEAD");
  await rm(into, { recursive: true, force: true });
  await mkdir(into, { recursive: true });
  await git(into, "init", "--quiet", "--initial-branch=main");
  const depth = Number(inputs["fetch-depth"] ?? 1);
  const wanted = depth === 0 ? ["+refs/heads/*:refs/remotes/origin/*", ref] : [`--depth=${depth}`, ref];
  await git(into, "fetch", "--quiet", "--no-tags", `file://${repository.git}`, ...wanted);
  await git(into, "remote", "add", "origin", `${world.serverUrl}/${name}`);
  if (inputs["sparse-checkout"]) {
    const cone = inputs["sparse-checkout-cone-mode"] === "false" ? "--no-cone" : "--cone";
    await git(into, "sparse-checkout", "set", cone, ...inputs["sparse-checkout"].split("\n"));
  }
  const commit = await git(into, "rev-parse", depth === 0 && ref === world.sha ? ref : "FETCH_HEAD");
  await git(into, "checkout", "--quiet", "--detach", commit);
  if (inputs["persist-credentials"] !== "false") {
    const basic = Buffer.from(`x-access-token:${world.token}`).toString("base64");
    await git(into, "config", `http.${world.serverUrl}/.extraheader`, `AUTHORIZATION: basic ${basic}`);
  }
  return { commit };
}

/** Our own repository, at the commit that runs: what is in this checkout. */
async function checkoutOurs(into: string): Promise<Outputs> {
  await rm(into, { recursive: true, force: true });
  await mkdir(into, { recursive: true });
  for (const name of ["action.yml", "dist"]) await symlink(path.join(ROOT, name), path.join(into, name));
  return {};
}

async function uploadArtifact(inputs: Inputs, { artifacts, workspace }: ActionWorld): Promise<Outputs> {
  const { id, digest } = await artifacts.upload(
    inputs["name"] ?? "artifact",
    path.resolve(workspace, inputs["path"] ?? ""),
  );
  return { "artifact-id": String(id), "artifact-digest": digest };
}

async function downloadArtifact(inputs: Inputs, { artifacts, workspace }: ActionWorld): Promise<Outputs> {
  const { name = "", "artifact-ids": ids = "", pattern = "" } = inputs;
  const found = artifacts.find({ name, ids, pattern });
  const into = path.resolve(workspace, inputs["path"] ?? "");
  await mkdir(into, { recursive: true });
  for (const artifact of found) {
    const flat = found.length === 1 || inputs["merge-multiple"] === "true";
    await unpack(artifact, flat ? into : path.join(into, artifact.name));
  }
  return { "download-path": into };
}

async function attest(inputs: Inputs, { attestations, permissions, job }: ActionWorld): Promise<Outputs> {
  if (permissions["id-token"] !== "write")
    throw new Error("Failed to get ID token: missing id-token permission. Please add 'permissions: id-token: write'");
  if (permissions["attestations"] !== "write")
    throw new Error("Failed to persist attestation: Resource not accessible");
  const file = inputs["subject-checksums"] ?? "";
  if (!existsSync(file)) throw new Error("One of subject-path, subject-digest, or subject-checksums must be provided");
  const subjects = (await readFile(file, "utf8")).trimEnd().split("\n");
  if (!subjects.every((line) => /^[0-9a-f]{64} [ *]\S/.test(line))) throw new Error("Invalid checksums file");
  attestations.push({ job, subjects });
  return { "attestation-id": String(attestations.length) };
}

/** Where a program is that a test puts before the real one. */
export async function fakePrograms(directory: string, programs: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(path.join(directory, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  }
}
