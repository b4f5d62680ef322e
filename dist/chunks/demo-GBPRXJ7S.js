import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import"./chunk-M2U3AMWO.js";var o={usage:"",about:"",options:{},positionals:[],examples:[],run:async()=>0};export{o as demo};
