import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{b as r}from"./chunk-GX4J637G.js";import{b as o}from"./chunk-VXCGBFEX.js";import"./chunk-NB5HXV7F.js";import"./chunk-M2U3AMWO.js";function i(){r(),o()}export{i as endEverything};
