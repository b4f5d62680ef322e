import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const {parentPort:f}=builtinModule("node:worker_threads");
import{c as l,e as m,j as t,m as p}from"./chunk-KSDZSVSN.js";import"./chunk-4BA65FZ4.js";import"./chunk-MXKGTTUC.js";import"./chunk-ZNVLAPBM.js";import"./chunk-Y5RQM6K7.js";import"./chunk-C32ALVN4.js";import{e as a,f as i}from"./chunk-LDXI2OCE.js";var k={leavesLarge:!1};f?.once("message",e=>{var o=[];try{let r=new l(e.memory.signals);let n=a(o,e.kind==="planned"?new m(new t(e.memory),e.output,e):new p(e));for(;!r.stopped;){let g=r.workMark();n.fill(k)||n.write()?r.tellSequencer():r.waitForWork(g,1e3)}}catch(s){var d=s,y=!0}finally{i(o,d,y)}});
