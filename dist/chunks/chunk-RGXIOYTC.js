var e=/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,n=u=>u.replaceAll(e,t=>`\\u{${t.codePointAt(0).toString(16)}}`);export{e as a,n as b};
