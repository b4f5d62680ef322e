#!/usr/bin/env node
async function o(e){let r=e[0];if(r==="--version"||r==="-v")return process.stdout.write(`0.1.0
`),0;if(r===void 0||r==="--help"||r==="-h"||r==="help"){let{renderOverview:t}=await import("./chunks/verbs-PA2EX4TY.js");return process.stdout.write(t("0.1.0")),r===void 0?2:0}try{let{runVerb:t}=await import("./chunks/run-verb-BK2UVZZR.js");return await t(e,{version:"0.1.0",root:new URL("..",import.meta.url)})}catch(t){return process.stderr.write(`${t instanceof Error?t.stack:String(t)}
Is dist/ all there? Copy it again.
`),3}}for(let e of["SIGINT","SIGTERM","SIGHUP"])process.on(e,()=>{n(e)});var s=!1;async function n(e){if(s)return;s=!0;let{endEverything:r}=await import("./chunks/cleanup-PPGADM5U.js");await r(),process.stderr.write(`error[CANCELLED]: stopped by ${e}; nothing half done is left
`),process.removeAllListeners(e),process.kill(process.pid,e)}process.stdout.on("error",e=>{e.code==="EPIPE"&&process.exit(0),process.stderr.write(`error[IO_FAILED]: cannot write to standard output: ${e.message}
`),process.exit(3)});process.exitCode=await o(process.argv.slice(2));
