/** Builds dist/ from src/: what users run. One command, the same bytes everywhere. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/**
 * `@actions/core` loads at start what few of its functions use: an HTTP client for getIDToken, child processes for
 * `platform`, and crypto for outputs. Loading these when they are called, or never, halves what a run takes to begin.
 */
const lazyCore = {
  name: "lazy-core",
  setup(builder) {
    const fromCore = ({ importer }) => /@actions[\\/]core[\\/]lib/.test(importer);
    builder.onResolve({ filter: /^\.\/oidc-utils\.js$/ }, (args) =>
      fromCore(args)
        ? { path: `${args.resolveDir}/oidc-utils.js`, namespace: "lazy-oidc", pluginData: args.resolveDir }
        : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: "lazy-oidc" }, ({ path: file, pluginData }) => ({
      contents: `export class OidcClient {
        static async getIDToken(audience) {
          return (await import(${JSON.stringify(file)})).OidcClient.getIDToken(audience);
        }
      }`,
      resolveDir: pluginData,
    }));
    // Nothing here uses `core.platform`; without side effects it is left out.
    builder.onResolve({ filter: /^\.\/platform\.js$/ }, (args) =>
      fromCore(args) ? { path: `${args.resolveDir}/platform.js`, sideEffects: false } : undefined,
    );
    builder.onResolve({ filter: /^crypto$/ }, (args) =>
      fromCore(args) ? { path: "crypto", namespace: "lazy-crypto" } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: "lazy-crypto" }, () => ({
      contents: "export const randomUUID = () => globalThis.crypto.randomUUID();",
    }));
  },
};

/**
 * As an ES module Node's HTTP client loads Node's `fetch` with it, which takes longer than all of our own modules and serves
 * nothing here. As a CommonJS one it does not; and most runs need neither.
 */
const lazyHttp = {
  name: "lazy-http",
  setup(builder) {
    builder.onResolve({ filter: /^node:https?$/ }, ({ path: name, kind }) =>
      kind === "import-statement" ? { path: name, namespace: "lazy-http" } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: "lazy-http" }, ({ path: name }) => ({
      contents: `let loaded;
        export default new Proxy({}, { get: (_, name) => (loaded ??= require(${JSON.stringify(name)}))[name] });`,
    }));
  },
};

/** The long names cannot meet one that the minifier makes. Node has getBuiltinModule since 20.16. */
const REQUIRE =
  'import{createRequire as requireFromModule}from"node:module";' +
  "const require=process.getBuiltinModule??requireFromModule(import.meta.url);\n";

/** Gives a chunk `require` where it asks for it, as CommonJS dependencies do. */
const withRequire = (text) => (/\brequire\b/.test(text) ? text.replace(/^(?:#!.*\n)?/, `$&${REQUIRE}`) : text);

/** An import of a part of Node as the minifier writes it: the default, then what has a name or all. */
const IMPORT = /\bimport(?: ?([\w$]+),?)?(?:\{([^{}]*)\}|\*as ([\w$]+))? ?from"(node:[\w/]+)";/g;

/**
 * Takes the parts of Node by `require`. Who imports them has Node look at all that they export, and load what stands behind
 * each: its `fetch`, its promises, its Web Crypto, which takes longer than all of our own modules and serves nothing here.
 */
function requireNode(text, wanted) {
  let found = 0;
  const changed = text.replaceAll(IMPORT, (_, whole, named, all, name) => {
    found++;
    const names = [whole, all, named && `{${named.replaceAll(" as ", ":")}}`].filter(Boolean);
    return names.map((to) => `const ${to}=require("${name}");`).join("");
  });
  if (found !== wanted) throw new Error(`${found} imports of Node's modules found where there are ${wanted}`);
  return changed;
}

const { outputFiles, metafile } = await build({
  write: false,
  metafile: true,
  entryPoints: {
    action: "src/action.ts",
    cli: "src/cli.ts",
    post: "src/post.ts",
    netns: "src/tender/netns-main.ts",
    // A worker thread is started from a file; it stands beside the chunk that starts it.
    "chunks/image-worker": "src/artifact/image-worker.ts",
    "chunks/digest-worker": "src/artifact/digest-worker.ts",
  },
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minify: true,
  chunkNames: "chunks/[name]-[hash]",
  define: { __VERSION__: JSON.stringify(version) },
  legalComments: "none",
  logLevel: "warning",
  plugins: [lazyCore, lazyHttp],
});

// New files first, stale ones last: a program that runs from here meanwhile finds its chunks.
const current = new Set([path.resolve("dist/package.json")]);
mkdirSync("dist/chunks", { recursive: true });
writeFileSync("dist/package.json", '{ "type": "module" }\n');
for (const file of outputFiles) {
  current.add(file.path);
  const { imports } = metafile.outputs[path.relative(".", file.path)];
  const ofNode = imports.filter(({ path: name, kind }) => kind === "import-statement" && name.startsWith("node:"));
  const text = withRequire(requireNode(file.text, ofNode.length));
  writeFileSync(file.path, text, { mode: file.path.endsWith("cli.js") ? 0o755 : 0o644 });
}
for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const file = path.resolve(entry.parentPath, entry.name);
  if (entry.isFile() && !current.has(file)) rmSync(file);
}
