import{h as e}from"./chunks/chunk-LWGSEXMI.js";import"./chunks/chunk-Y5RQM6K7.js";import"./chunks/chunk-C32ALVN4.js";import"./chunks/chunk-LDXI2OCE.js";e();
