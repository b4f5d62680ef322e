import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{B as a,C as b,D as c,E as d,F as e}from"./chunk-4ZX33WZE.js";import"./chunk-HKGG5QVP.js";import"./chunk-5KN5R3KL.js";export{b as groups,e as renderError,a as renderFindings,d as renderRelease,c as renderVerdict};
