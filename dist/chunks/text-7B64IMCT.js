import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{e as a,f as b,g as c,h as d,i as e}from"./chunk-ED63DLRW.js";import"./chunk-HKGG5QVP.js";import"./chunk-TW57XDHC.js";import"./chunk-M2U3AMWO.js";export{b as groups,e as renderError,a as renderFindings,d as renderRelease,c as renderVerdict};
