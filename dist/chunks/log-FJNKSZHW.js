import{a}from"./chunk-GPBNMOMQ.js";import"./chunk-LDXI2OCE.js";export{a as silentLog};
