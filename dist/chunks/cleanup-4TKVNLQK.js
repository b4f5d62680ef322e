import{a,b}from"./chunk-4CZ6EUVS.js";import"./chunk-A6V3UR6V.js";import"./chunk-NM2ADJEA.js";import"./chunk-C32ALVN4.js";import"./chunk-LDXI2OCE.js";export{a as atEnd,b as endEverything};
