import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{a,b,c,d,e,f,g,h,i}from"./chunk-EZFJXPY5.js";import"./chunk-NB5HXV7F.js";import"./chunk-5KN5R3KL.js";export{f as fileSource,i as ioError,h as isSystemError,e as openFile,g as readFully,b as removeTempDirs,d as syncDirectory,a as tempDir,c as writeAtomic};
