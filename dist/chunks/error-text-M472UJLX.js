import"./chunk-LDXI2OCE.js";function s(n){let o=n.problems.slice(0,r).map(t=>`  - ${t}`),e=n.problems.length-o.length;return[`error[${n.code}]: ${n.message}`,...o,...e>0?[`  \u2026 and ${e} more`]:[],...n.hint?[`  \u2192 ${n.hint}`]:[]].join(`
`)}var r=50;export{s as renderError};
