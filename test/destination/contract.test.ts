/** The git repository and the OCI registry keep the same promises. The servers are git's own and docker's. */
import { writeFile } from "node:fs/promises";
import { openAccess } from "../../src/destination/access.ts";
import { gitDestination } from "../../src/destination/git.ts";
import { ociDestination } from "../../src/destination/oci/destination.ts";
import { openRegistry } from "../../src/registry/registry.ts";
import { silentLog } from "../../src/util/log.ts";
import { gitServer } from "../support/git-server.ts";
import { git, gitEnvironment } from "../support/process.ts";
import { noRegistry, startRegistry } from "../support/registry.ts";
import { tempDir } from "../support/temp.ts";
import { destinationContract, type Place } from "./contract.ts";

const random = Math.random;

async function gitPlace(): Promise<Place> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await gitServer({ token: "secret" }));
  const dir = stack.use(await tempDir("git-place"));
  const repository = await server.createRepository("www");
  return {
    open(log = silentLog) {
      const address = server.repositoryUrl("www", "git");
      const access = stack.use(openAccess({ repository: address, directory: dir.path, env: gitEnvironment() }));
      return gitDestination({ access, branch: "main", path: "", log, random });
    },
    async spoil() {
      const clone = dir.join("clone");
      await git(dir.path, "clone", "--quiet", repository, clone);
      await writeFile(`${clone}/manifest.json`, '{"name": "something else"}\n');
      await git(clone, "commit", "--quiet", "--all", "--message=By hand");
      await git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/main");
    },
    state: () => git(repository, "for-each-ref"),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function ociPlace(): Promise<Place> {
  const server = await startRegistry();
  const registry = () => openRegistry({ address: server.address("site/www"), env: {}, log: silentLog });
  return {
    open: (log = silentLog) => ociDestination({ registry: registry(), branch: "main", log, random }),
    async spoil() {
      const own = await registry().readManifest("latest");
      const other = (own?.bytes.toString("utf8") ?? "").replace(/"artifactType":"[^"]*"/, '"artifactType":"text/html"');
      await registry().putManifest("latest", Buffer.from(other), own?.mediaType ?? "");
    },
    async state() {
      const tags = [...(await registry().tags())].sort();
      const lines = tags.map(async (tag) => `${tag} ${(await registry().readManifest(tag))?.digest}`);
      return (await Promise.all(lines)).join("\n");
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

destinationContract("a git repository", gitPlace);
destinationContract("an OCI registry", ociPlace, noRegistry);
