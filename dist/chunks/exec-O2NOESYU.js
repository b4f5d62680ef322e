import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{a,b,c}from"./chunk-5HEC2DUH.js";import"./chunk-NB5HXV7F.js";import"./chunk-5KN5R3KL.js";export{a as exec,c as run,b as stopPrograms};
