import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const {accessSync:o,constants:c,statSync:f}=builtinModule("node:fs");
const r=builtinModule("node:path");
function d(n,i){let s=n.includes("/")?[""]:(i??"").split(r.delimiter).filter(t=>t!=="");for(let t of s){let e=r.resolve(t,n);if(l(e))return e}}function l(n){try{return o(n,c.X_OK),f(n).isFile()}catch{return!1}}export{d as a};
