import{a,b,c,d}from"./chunk-HOEFVNGC.js";import"./chunk-LDXI2OCE.js";export{a as VERBS,b as findVerb,c as renderGroup,d as renderOverview};
