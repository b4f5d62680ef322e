/** Builds dist/ from src/: what users run. One command, the same bytes everywhere. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
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

rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: { action: "src/action.ts", cli: "src/cli.ts" },
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
writeFileSync("dist/package.json", '{ "type": "module" }\n');
