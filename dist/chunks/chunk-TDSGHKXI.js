import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const {readdirSync:f}=builtinModule("node:fs");
const {tmpdir:a}=builtinModule("node:os");
const p=builtinModule("node:path");
import{e as m}from"./chunk-PRGUHXG6.js";import{b as c,c as d,f as o}from"./chunk-GQ4VFG45.js";var n=new Set;function h(r){return n.add(r),()=>n.delete(r)}async function E(){for(let r of n)r();o(),await m(),o()}var s=!1;function x(){if(s)return;s=!0;let r=a(),e;try{e=f(r)}catch{return}for(let t of e){let i=c(t);i!==void 0&&!u(i)&&d(p.join(r,t))}}function u(r){try{return process.kill(r,0),!0}catch(e){return!(e instanceof Error&&"code"in e&&e.code==="ESRCH")}}export{h as a,E as b,x as c};
