import{a as r}from"./chunk-LDXI2OCE.js";var t,l=new Proxy({},{get:(d,e)=>(t??=r("node:zlib"))[e]});export{l as a};
