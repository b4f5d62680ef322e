import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import"./chunk-5KN5R3KL.js";var s={info(){},warning(){},raw(){},progress(){}};export{s as silentLog};
