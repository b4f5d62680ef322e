import{b as e}from"./chunk-RGXIOYTC.js";import"./chunk-LDXI2OCE.js";function p(n){let o=n.problems.slice(0,i).map(s=>`  - ${s}`),t=n.problems.length-o.length,r=[`error[${n.code}]: ${n.message}`,...o,...t>0?[`  \u2026 and ${t} more`]:[],...n.hint?[`  \u2192 ${n.hint}`]:[]];return e(r.join(`
`))}var i=50;export{p as renderError};
