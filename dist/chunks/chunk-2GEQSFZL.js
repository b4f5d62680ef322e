import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const {createHash:u}=builtinModule("node:crypto");
import{l as c,n as d}from"./chunk-Y5RQM6K7.js";var r=1024*1024,y=64*r;function*b(h,l,m){let o=Buffer.allocUnsafeSlow(r),n=[];for(let{offset:s,size:a}of l){let f=u("sha256");for(let t=0;t<a;){let e=c(h,o,Math.min(r,a-t),s+t);if(e===0)throw d("cannot read the file",new Error(`it ends at byte ${s+t}`));let i=o.subarray(0,e);f.update(i),m?.(i),t+=e,t%y===0&&(yield)}n.push(f.digest("hex"))}return n}export{b as a};
