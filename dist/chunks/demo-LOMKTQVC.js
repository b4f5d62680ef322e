import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import"./chunk-5KN5R3KL.js";var o={usage:"",about:"",options:{},positionals:[],examples:[],run:async()=>0};export{o as demo};
