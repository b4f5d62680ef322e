import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const {createHash:r}=builtinModule("node:crypto");
function n(t){return r("sha256").update(t).digest("hex")}function a(t){return r("sha1").update(`blob ${t.length}\0`).update(t).digest("hex")}export{n as a,a as b};
