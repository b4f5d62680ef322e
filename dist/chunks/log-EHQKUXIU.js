import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import"./chunk-M2U3AMWO.js";var s={info(){},warning(){},raw(){},progress(){}};export{s as silentLog};
