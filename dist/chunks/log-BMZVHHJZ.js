import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{a}from"./chunk-CPH24F5R.js";import"./chunk-M2U3AMWO.js";export{a as silentLog};
