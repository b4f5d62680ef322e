import{f as a,g as b,h as c}from"./chunk-LWGSEXMI.js";import"./chunk-Y5RQM6K7.js";import"./chunk-C32ALVN4.js";import"./chunk-LDXI2OCE.js";export{a as atEnd,b as endEverything,c as sweepTemporaries};
