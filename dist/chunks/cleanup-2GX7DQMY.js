import{a,b}from"./chunk-2XLYFNUZ.js";import"./chunk-4N2PES74.js";import"./chunk-NM2ADJEA.js";import"./chunk-C32ALVN4.js";import"./chunk-LDXI2OCE.js";export{a as atEnd,b as endEverything};
