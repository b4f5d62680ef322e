import{a,b,c,d,e}from"./chunk-HXSKGXK4.js";import"./chunk-LDXI2OCE.js";export{a as VERBS,b as findVerb,c as nearestVerb,d as renderGroup,e as renderOverview};
