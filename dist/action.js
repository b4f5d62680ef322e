import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
