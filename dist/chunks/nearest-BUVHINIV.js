import{a}from"./chunk-HJKALWA6.js";import"./chunk-LDXI2OCE.js";export{a as nearestOf};
