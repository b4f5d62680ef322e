import { build } from "esbuild"; import { readFileSync, writeFileSync } from "node:fs";
await build({ entryPoints: { one: "src/one.ts", "image-worker": "src/artifact/image-worker.ts" }, outdir: "one", bundle: true, format: "esm", platform: "node", target: "node20", minify: true, logLevel: "warning", banner: { js: "" } });
for (const f of ["one/one.js", "one/image-worker.js"]) {
let t = readFileSync(f, "utf8"); t = t.replaceAll(/\bimport ?([\w$]+)?,?(?:\{([^{}]*)\})? ?from"(node:[\w/]+)";/g, (s, w, n, name) => [w, n && `{${n.replaceAll(" as ", ":")}}`].filter(Boolean).map((to) => `const ${to}=process.getBuiltinModule("${name}");\n`).join(""));
writeFileSync(f, t); }
