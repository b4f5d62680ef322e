/**
 * The manifests for Kubernetes: each by the API's own JSON schema and types, together by what they name of each other, and
 * as kustomize builds them where kubectl is installed.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const EXAMPLE = path.join(ROOT, "examples/kubernetes");

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** Where kubernetes-models has the schema and the type of a kind. */
const KINDS: Readonly<Record<string, { readonly schema: string; readonly module: string }>> = {
  Deployment: { schema: "IoK8sApiAppsV1Deployment", module: "apps/v1" },
  Service: { schema: "IoK8sApiCoreV1Service", module: "v1" },
  Ingress: { schema: "IoK8sApiNetworkingV1Ingress", module: "networking.k8s.io/v1" },
  PodDisruptionBudget: { schema: "IoK8sApiPolicyV1PodDisruptionBudget", module: "policy/v1" },
  RuntimeClass: { schema: "IoK8sApiNodeV1RuntimeClass", module: "node.k8s.io/v1" },
};

type Validate = ((data: unknown) => boolean) & { readonly errors?: readonly unknown[] | null };

const read = (file: string) => parse(readFileSync(path.join(EXAMPLE, file), "utf8")) as Record<string, never>;
const manifests = (directory: string) =>
  readdirSync(path.join(EXAMPLE, directory))
    .filter((file) => file.endsWith(".yaml") && !["kustomization.yaml", "argument.yaml"].includes(file))
    .map((file) => ({
      file: path.join(directory, file),
      manifest: read(path.join(directory, file)) as unknown as Manifest,
    }));
const ALL = [...manifests("site"), ...manifests("cluster")];

/** JSON Patch as far as the example uses it. */
function patched(manifest: Manifest, patch: readonly { op: string; path: string; value: unknown }[]): Manifest {
  const copy = structuredClone(manifest);
  for (const { op, path: pointer, value } of patch) {
    assert.equal(op, "add");
    const keys = pointer.split("/").slice(1);
    const last = keys.pop() as string;
    const parent = keys.reduce<Record<string, unknown>>(
      (at, key) => at[key] as Record<string, unknown>,
      copy as unknown as Record<string, unknown>,
    );
    parent[last] = value;
  }
  return copy;
}

const deployment = read("site/deployment.yaml") as unknown as Manifest;
const withSecret = patched(
  deployment,
  parse(readFileSync(path.join(EXAMPLE, "secret/argument.yaml"), "utf8")) as {
    op: string;
    path: string;
    value: unknown;
  }[],
);

async function problemsOf(manifest: Manifest): Promise<unknown> {
  const kind = KINDS[manifest.kind];
  assert.ok(kind, `no schema for ${manifest.kind}`);
  const { validate } = (await import(`kubernetes-models/_schemas/${kind.schema}`)) as { validate: Validate };
  return validate(manifest) ? undefined : validate.errors;
}

/** Whether TypeScript takes a manifest for the API's type: fields that do not exist are found only so. */
async function typeErrors(given: readonly Manifest[]): Promise<string> {
  await using directory = await tempDir("kubernetes");
  const lines = given.map(({ kind, ...rest }, i) => {
    const { module } = KINDS[kind] as { module: string };
    const type = `import("kubernetes-models/${module}").I${kind}`;
    return `export const manifest${i}: ${type} = ${JSON.stringify({ ...rest, kind })};`;
  });
  await writeFile(directory.join("manifests.ts"), `${lines.join("\n")}\n`);
  await writeFile(
    directory.join("tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        module: "nodenext",
        types: [],
        paths: { "*": [`${ROOT}/node_modules/*`] },
      },
      files: ["manifests.ts"],
    }),
  );
  await writeFile(directory.join("package.json"), '{"type":"module"}');
  execFileSync("ln", ["-s", path.join(ROOT, "node_modules"), directory.join("node_modules")]);
  const ran = await run(process.execPath, [path.join(ROOT, "node_modules/typescript/bin/tsc"), "-p", directory.path]);
  return ran.stdout;
}

describe("the example for Kubernetes", () => {
  for (const { file, manifest } of [...ALL, { file: "secret", manifest: withSecret }]) {
    test(`${file} is what the API's schema says`, async () => {
      assert.equal(await problemsOf(manifest), undefined);
    });
  }

  test("has no field that the API does not have", async () => {
    assert.equal(await typeErrors([...ALL.map(({ manifest }) => manifest), withSecret]), "");
  });

  test("would be found out otherwise", async () => {
    const wrong = structuredClone(deployment) as unknown as { spec: { replicas: unknown; template: { spec: object } } };
    wrong.spec.replicas = "two";
    assert.match(JSON.stringify(await problemsOf(wrong as unknown as Manifest)), /replicas/);
    wrong.spec.replicas = 2;
    Object.assign(wrong.spec.template.spec, { runtimeClass: "urunc" });
    assert.match(await typeErrors([wrong as unknown as Manifest]), /runtimeClass/);
  });

  test("names only what is there", () => {
    const pod = (deployment as unknown as { spec: { selector: { matchLabels: object }; template: PodTemplate } }).spec;
    const { labels } = pod.template.metadata;
    const [container] = pod.template.spec.containers;
    assert.ok(container);
    assert.deepEqual(pod.selector.matchLabels, labels);
    const service = read("site/service.yaml") as unknown as {
      metadata: { name: string };
      spec: { selector: object; ports: { name: string; targetPort: string }[] };
    };
    assert.deepEqual(service.spec.selector, labels);
    assert.deepEqual(
      service.spec.ports.map(({ targetPort }) => targetPort),
      container.ports.map(({ name }) => name),
    );
    const ingress = JSON.stringify(read("site/ingress.yaml"));
    assert.ok(
      ingress.includes(JSON.stringify({ name: service.metadata.name, port: { name: service.spec.ports[0]?.name } })),
    );
    assert.equal(
      pod.template.spec.runtimeClassName,
      (read("cluster/runtimeclass.yaml") as unknown as Manifest).metadata.name,
    );
    const { handler } = read("cluster/runtimeclass.yaml") as unknown as { handler: string };
    assert.ok(readFileSync(path.join(EXAMPLE, "cluster/containerd.toml"), "utf8").includes(`.runtimes.${handler}]`));
    const kustomization = read("site/kustomization.yaml") as unknown as Kustomization;
    assert.deepEqual(
      kustomization.resources.toSorted(),
      manifests("site").map(({ file }) => path.basename(file)),
    );
    assert.deepEqual(
      kustomization.images.map(({ name }) => name),
      [container.image],
    );
    assert.match(kustomization.images[0]?.digest ?? "", /^sha256:[0-9a-f]{64}$/);
  });

  test("is what kustomize makes of it", { skip: noKustomize() }, async () => {
    for (const [directory, expected] of [
      ["site", deployment],
      ["secret", withSecret],
    ] as const) {
      const ran = await run("kubectl", ["kustomize", path.join(EXAMPLE, directory)]);
      assert.equal(ran.code, 0, ran.stderr);
      const built = parseAllDocuments(ran.stdout).map((document) => document.toJS() as Manifest);
      assert.equal(built.length, manifests("site").length);
      for (const manifest of built) assert.equal(await problemsOf(manifest), undefined);
      const found = built.find(({ kind }) => kind === "Deployment") as unknown as { spec: { template: PodTemplate } };
      const container = found.spec.template.spec.containers[0];
      assert.match(container?.image ?? "", /^ghcr\.io\/example\/www@sha256:[0-9a-f]{64}$/);
      const own = (expected as unknown as { spec: { template: PodTemplate } }).spec.template.spec.containers[0];
      assert.deepEqual({ ...container, image: "www" }, own);
    }
  });
});

interface PodTemplate {
  readonly metadata: { readonly labels: object };
  readonly spec: {
    readonly runtimeClassName: string;
    readonly containers: readonly { readonly image: string; readonly ports: readonly { readonly name: string }[] }[];
  };
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly images: readonly { readonly name: string; readonly digest: string }[];
}

/** Older kubectls have a kustomize that knows no such patches. */
function noKustomize(): false | string {
  try {
    const { kustomizeVersion } = JSON.parse(
      execFileSync("kubectl", ["version", "--client", "--output=json"], { encoding: "utf8", stdio: "pipe" }),
    ) as { kustomizeVersion?: string };
    return /^v[4-9]/.test(kustomizeVersion ?? "") ? false : "kubectl's kustomize is older than version 4";
  } catch {
    return "kubectl is not installed";
  }
}
