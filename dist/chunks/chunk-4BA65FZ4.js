import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const i=builtinModule("node:crypto");
var s=i.hash,b=32;function h(r){return i.createHash("sha1").update(`blob ${r}\0`)}function f(r,n,t){let e=Math.max(0,n-b),o=r.toString("latin1",e,n),u=c(r,n,t);return r.write(o,e,"latin1"),u}function c(r,n,t){if(!s)return h(t).update(r.subarray(n,n+t)).digest("hex");let e=`blob ${t}\0`,o=n-e.length;return r.write(e,o,"latin1"),s("sha1",r.subarray(o,n+t),"hex")}export{b as a,h as b,f as c,c as d};
