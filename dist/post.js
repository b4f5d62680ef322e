import{c as e}from"./chunks/chunk-TDSGHKXI.js";import"./chunks/chunk-PRGUHXG6.js";import"./chunks/chunk-GQ4VFG45.js";import"./chunks/chunk-C32ALVN4.js";import"./chunks/chunk-LDXI2OCE.js";e();
