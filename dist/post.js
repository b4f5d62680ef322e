import{c as e}from"./chunks/chunk-WEIND3IQ.js";import"./chunks/chunk-QGLLQ2SE.js";import"./chunks/chunk-6G3DHZTC.js";import"./chunks/chunk-ZGL6BNSK.js";import"./chunks/chunk-LDXI2OCE.js";e();
