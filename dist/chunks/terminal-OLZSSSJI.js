import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const {once:e}=builtinModule("node:events");
import"./chunk-LDXI2OCE.js";function l(i){let r=!1,t=()=>{r&&i.write("\r\x1B[K"),r=!1},o=n=>{t(),i.write(`${n}
`)};return{info:o,warning:n=>o(`warning: ${n}`),raw(n){t(),i.write(n)},progress(n){!i.isTTY||n===""||(t(),i.write(n.slice(0,(i.columns??80)-1)),r=!0)}}}async function w(i,r){i.write(r)||await e(i,"drain")}export{l as terminalLog,w as writeAll};
