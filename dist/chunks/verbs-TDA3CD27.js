import{a,b,c,d,e}from"./chunk-T272WRAH.js";import"./chunk-IE75MHSS.js";import"./chunk-LDXI2OCE.js";export{a as VERBS,b as findVerb,c as nearestVerb,d as renderGroup,e as renderOverview};
