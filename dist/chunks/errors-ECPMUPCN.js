import{a,b,c}from"./chunk-C32ALVN4.js";import"./chunk-LDXI2OCE.js";export{b as DeployError,a as ERROR_CODES,c as messageOf};
