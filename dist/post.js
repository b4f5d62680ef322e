import{c as e}from"./chunks/chunk-7XJWETC4.js";import"./chunks/chunk-QGLLQ2SE.js";import"./chunks/chunk-OTMKSNN5.js";import"./chunks/chunk-ZGL6BNSK.js";import"./chunks/chunk-LDXI2OCE.js";e();
