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
 * Parts of Node that most runs do not need are loaded when they are used. As an ES module its HTTP client would also load its
 * `fetch`, which takes longer than all of our own modules and serves nothing here.
 */
const lazyNode = {
  name: "lazy-node",
  setup(builder) {
    builder.onResolve({ filter: /^node:(?:https?|zlib)$/ }, ({ path: name, kind }) =>
      kind === "import-statement" ? { path: name, namespace: "lazy-node" } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: "lazy-node" }, ({ path: name }) => ({
      contents: `let loaded;
        export default new Proxy({}, { get: (_, name) => (loaded ??= require(${JSON.stringify(name)}))[name] });`,
    }));
  },
};

/** How a chunk comes by `require`. The long names cannot meet one that the minifier makes. */
const REQUIRE =
  'import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);\n';
/** Quicker where Node has it, since 20.16. */
const BUILTIN = "const builtinModule=process.getBuiltinModule??require;\n";

/** An import as the minifier writes it: the default, then what has a name. Dependencies that say "fs" are left as they are. */
const IMPORT = /\bimport ?([\w$]+)?,?(?:\{([^{}]*)\})? ?from"(node:[\w/]+)";/g;

/**
 * Takes the parts of Node by `require`. Who imports them has Node look at all that they export, and load what stands behind
 * each: its `fetch`, its promises, its Web Crypto, which takes longer than all of our own modules and serves nothing here.
 * As imports are, they are there before any code of the chunk runs. CommonJS dependencies get the `require` they ask for.
 */
function requireNode(text, wanted) {
  const taken = [];
  const rest = text.replaceAll(IMPORT, (statement, whole, named, name) => {
    if (named?.includes("default as")) throw new Error(`not known how to take ${statement} by require`);
    const names = [whole, named && `{${named.replaceAll(" as ", ":")}}`].filter(Boolean);
    taken.push(names.map((to) => `const ${to}=builtinModule("${name}");\n`).join(""));
    return "";
  });
  if (taken.length !== wanted)
    throw new Error(`${taken.length} imports of Node's modules found, and there are ${wanted}`);
  const head = taken.length > 0 ? [REQUIRE, BUILTIN, ...taken] : /\brequire\b/.test(text) ? [REQUIRE] : [];
  return rest.replace(/^(?:#!.*\n)?/, (first) => first + head.join(""));
}

const OPTIONS = {
  write: false,
  metafile: true,
  outdir: "dist",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minify: true,
  chunkNames: "chunks/[name]-[hash]",
  define: { __VERSION__: JSON.stringify(version) },
  legalComments: "none",
  logLevel: "warning",
  plugins: [lazyCore, lazyNode],
};

const built = await Promise.all([
  build({
    ...OPTIONS,
    splitting: true,
    entryPoints: {
      action: "src/action.ts",
      cli: "src/cli.ts",
      post: "src/post.ts",
      netns: "src/tender/netns-main.ts",
    },
  }),
  // A worker thread is started from a file, which stands beside the chunk that starts it. It is there the sooner the fewer it loads.
  build({
    ...OPTIONS,
    entryPoints: {
      "chunks/image-worker": "src/artifact/image-worker.ts",
      "chunks/digest-worker": "src/artifact/digest-worker.ts",
    },
  }),
]);

// New files first, stale ones last: a program that runs from here meanwhile finds its chunks.
const current = new Set([path.resolve("dist/package.json")]);
mkdirSync("dist/chunks", { recursive: true });
writeFileSync("dist/package.json", '{ "type": "module" }\n');
for (const { metafile, file } of built.flatMap(({ metafile, outputFiles }) =>
  outputFiles.map((file) => ({ metafile, file })),
)) {
  current.add(file.path);
  const { imports } = metafile.outputs[path.relative(".", file.path)];
  const ofNode = imports.filter(({ path: name, kind }) => kind === "import-statement" && name.startsWith("node:"));
  const text = requireNode(file.text, ofNode.length);
  writeFileSync(file.path, text, { mode: file.path.endsWith("cli.js") ? 0o755 : 0o644 });
}
for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const file = path.resolve(entry.parentPath, entry.name);
  if (entry.isFile() && !current.has(file)) rmSync(file);
}
