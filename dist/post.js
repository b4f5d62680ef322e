import{c as e}from"./chunks/chunk-VFF4XF4J.js";import"./chunks/chunk-QGLLQ2SE.js";import"./chunks/chunk-EHXLJZXZ.js";import"./chunks/chunk-ZGL6BNSK.js";import"./chunks/chunk-LDXI2OCE.js";e();
