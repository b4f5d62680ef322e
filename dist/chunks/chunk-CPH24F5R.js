import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
var s={info(){},warning(){},raw(){},progress(){}};export{s as a};
