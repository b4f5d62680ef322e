/** Builds dist/ from src/: what users run. One command, the same bytes everywhere. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/**
 * `@actions/core` loads an HTTP client at start for one function, getIDToken. Loading it when that is called saves 50 ms
 * of every run.
 */
const lazyOidc = {
  name: "lazy-oidc",
  setup(builder) {
    builder.onResolve({ filter: /^\.\/oidc-utils\.js$/ }, ({ importer, resolveDir }) =>
      /@actions[\\/]core[\\/]lib/.test(importer)
        ? { path: `${resolveDir}/oidc-utils.js`, namespace: "lazy-oidc", pluginData: { resolveDir } }
        : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: "lazy-oidc" }, ({ path, pluginData }) => ({
      contents: `export class OidcClient {
        static async getIDToken(audience) {
          return (await import(${JSON.stringify(path)})).OidcClient.getIDToken(audience);
        }
      }`,
      resolveDir: pluginData.resolveDir,
    }));
  },
};

const { outputFiles } = await build({
  write: false,
  entryPoints: {
    action: "src/action.ts",
    cli: "src/cli.ts",
    netns: "src/tender/netns-main.ts",
    // A worker thread is started from a file; it stands beside the chunk that starts it.
    "chunks/image-worker": "src/artifact/image-worker.ts",
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
  // CommonJS dependencies ask for require; the long name cannot meet one the minifier makes.
  banner: {
    js: 'import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);',
  },
  legalComments: "none",
  logLevel: "warning",
  plugins: [lazyOidc],
});

// New files first, stale ones last: a program that runs from here meanwhile finds its chunks.
const current = new Set([path.resolve("dist/package.json")]);
mkdirSync("dist/chunks", { recursive: true });
writeFileSync("dist/package.json", '{ "type": "module" }\n');
for (const file of outputFiles) {
  current.add(file.path);
  writeFileSync(file.path, file.contents, { mode: file.path.endsWith("cli.js") ? 0o755 : 0o644 });
}
for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const file = path.resolve(entry.parentPath, entry.name);
  if (entry.isFile() && !current.has(file)) rmSync(file);
}
