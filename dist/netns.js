import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const {spawn:u,spawnSync:g}=builtinModule("node:child_process");
const {chmodSync:f}=builtinModule("node:fs");
const l=builtinModule("node:net");
function k(t){let c=g("ip",["-batch","-"],{input:t.network.map(e=>`${e}
`).join(""),encoding:"utf8"});if(c.status!==0){process.stderr.write(`cannot make the taps: ${(c.error?.message??c.stderr).trim()}
`),process.exitCode=1;return}let[p,...m]=t.argv,s=u(p,m,{stdio:["ignore","inherit","inherit"]}),i=new Set,a=l.createServer({allowHalfOpen:!0},e=>{let o=l.connect({host:t.guest,port:t.port,allowHalfOpen:!0});for(let d of[e,o])i.add(d.on("close",()=>i.delete(d)));let n=()=>{e.destroy(),o.destroy()};e.on("error",n).pipe(o).on("error",n).pipe(e),e.on("close",()=>o.destroy())});a.listen(t.socket,()=>f(t.socket,438)),s.on("error",e=>process.stderr.write(`${p} could not be started: ${e.message}
`)),s.on("close",(e,o)=>{process.exitCode=e??(o===null?1:128),a.close();for(let n of i)n.destroy();process.stdin.destroy()});let r=()=>{s.kill("SIGTERM"),setTimeout(()=>s.kill("SIGKILL"),500).unref()};process.on("SIGTERM",r),process.stdin.on("error",r).on("close",r).on("end",r).resume()}k(JSON.parse(process.argv[2]));
