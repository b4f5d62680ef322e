import{c as e}from"./chunks/chunk-5ZK2IPKV.js";import"./chunks/chunk-PRGUHXG6.js";import"./chunks/chunk-Y5RQM6K7.js";import"./chunks/chunk-C32ALVN4.js";import"./chunks/chunk-LDXI2OCE.js";e();
