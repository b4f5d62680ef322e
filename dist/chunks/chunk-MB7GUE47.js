import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
const builtinModule=process.getBuiltinModule??require;
const we=builtinModule("node:path");
const {createHash:be}=builtinModule("node:crypto");
const {closeSync:Ce,openSync:Ve}=builtinModule("node:fs");
import{a as z}from"./chunk-FL3WS6S2.js";import{a as R,b as C}from"./chunk-R53F7K6B.js";import{d as A,e as V}from"./chunk-E6ODB5I7.js";import{F as b,G as B,K as q,L as k}from"./chunk-SMFFOIPB.js";import{c as j}from"./chunk-HFVIKP4A.js";import{j as I,l as D,o as N}from"./chunk-GQ4VFG45.js";import{b as p}from"./chunk-C32ALVN4.js";import{e as P,f as S}from"./chunk-LDXI2OCE.js";function _(e,t,n){let o=[],r=0,i=0,s=c=>{o.push({offset:r,size:c-r}),r=c};for(;n-r>8388608;){for(;i<t.length&&t[i]<=r;)i++;let c=de(e,t,i,r,n);if(c!==void 0)s(c);else if(n-r>33554432)s(r+33554432);else break}let a=(t.at(-1)??0)+(e.at(-1)?.size??0);return n-r>1048576&&a>r&&a<n&&s(a),s(n),o}function de(e,t,n,o,r){let i,s=Number.POSITIVE_INFINITY;for(let a=n;a<t.length;a++){let c=t[a];if(c-o>8388608){let d=c-o<=33554432?c:void 0;return s<Number.POSITIVE_INFINITY?i:d??i}if(c-o<8388608/2){i=c;continue}let f=ue(e[a].path);f>=s||(s=f,i=c)}return s<Number.POSITIVE_INFINITY||r-o>33554432?i:void 0}function ue(e){let t=2166136261;for(let n=0;n<e.length;n++)t=Math.imul(t^e.charCodeAt(n),16777619);return t>>>0}var me=/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g,pe=/^(?:\.git|git~1)[ .]*(?:[:\\].*)?$/i;function U(e){return e.split("/").some(t=>pe.test(t.replaceAll(me,"")))}function H({name:e,kernelFile:t,memory:n,args:o,volumes:r}){return`${JSON.stringify({"boot-source":{kernel_image_path:t,boot_args:[e,...o].join(" ")},drives:r.map(({name:i,file:s})=>({drive_id:i,path_on_host:s,is_root_device:!1,is_read_only:!0})),"network-interfaces":[{iface_id:"eth0",host_dev_name:"tap0"}],"machine-config":{vcpu_count:1,mem_size_mib:n}},null,2)}
`}function G(e,t){let n=`/var/lib/unikernel-deploy/${e.name}`,o=e.volumes.filter(B).map(({name:r,device:i,secret:s})=>({name:r,device:i,secret:s===!0,shell:s?`"$secrets/${r}.img"`:`"$release/volumes/${r}.img"`,file:s?`/run/unikernel-deploy/${e.name}/${r}.img`:`${n}/current/volumes/${r}.img`}));return{name:e.name,kernel:t,kernelFile:`${n}/current/${t.path}`,memory:e.launch.memory,args:e.launch.args,volumes:he(o,t),nets:t.devices.filter(({type:r})=>r==="net").map(({name:r})=>r),state:n}}function he(e,t){let n=t.devices.map(({name:r})=>r),o=({device:r})=>n.includes(r)?n.indexOf(r):n.length;return e.toSorted((r,i)=>o(r)-o(i))}function $({name:e,kernel:t,state:n,volumes:o},r){let i=o.some(({secret:s})=>s)?`# Secret volumes are made on this host (unikernel-deploy image create --secret); they are in no repository.
secrets=\${SECRETS:-/run/unikernel-deploy/${e}}
`:"";return`#!/bin/sh
# Starts ${e} (${t.target}, ${t.arch}) ${r}. Copy it and adapt it; the next release brings a new one.
set -eu
release=\${RELEASE:-${n}/current}
${i}`}function E(e){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(e)?e:`'${e.replaceAll("'","'\\''")}'`}var x=e=>e.map(t=>` ${E(t)}`).join(""),y=e=>e.replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll("'","&apos;").replaceAll('"',"&quot;");function W({name:e,kernel:t,kernelFile:n,memory:o,args:r,volumes:i}){let s=f=>`<address type='pci' domain='0x0000' bus='0x00' slot='0x${(f+3).toString(16).padStart(2,"0")}' function='0x0'/>`,a=0,c=t.devices.map((f,d)=>{if(f.type==="net")return`    <interface type='bridge'>
      <source bridge='br0'/>
      <model type='virtio-transitional'/>
      ${s(d)}
    </interface>
`;let l=i.find(m=>m.device===f.name),u=`vd${String.fromCharCode(97+a++)}`;return`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='${y(l?.file??"")}'/>
      <target dev='${u}' bus='virtio'/>
      <readonly/>
      ${s(d)}
    </disk>
`});return`<domain type='kvm'>
  <name>${e}</name>
  <memory unit='MiB'>${o}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${y(n)}</kernel>
    <cmdline>${y(r.join(" "))}</cmdline>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
${c.join("")}    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
`}function Y(e){let{kernel:t,memory:n,args:o}=e;return`${$(e,"with qemu")}
# The guest binds devices by PCI slot, in the order of its application manifest: the slots below are that order.
exec qemu-system-x86_64 -machine pc,acpi=off -accel kvm -accel tcg -cpu Westmere -m ${n} -nodefaults \\
  -display none -serial stdio -no-reboot -device isa-debug-exit${X(e,"virtio-net","virtio-blk",!0)} \\
  -kernel "$release/${t.path}"${K(o)}
`}function Z(e){let{kernel:t,memory:n,args:o}=e;return`${$(e,"with qemu's microvm")}
exec qemu-system-x86_64 -M microvm,acpi=off -accel kvm -accel tcg -m ${n} -nodefaults -no-user-config \\
  -display none -serial stdio -no-reboot -global virtio-mmio.force-legacy=false${X(e,"virtio-net-device","virtio-blk-device",!1)} \\
  -kernel "$release/${t.path}"${K(o)}
`}function K(e){return e.length===0?"":` \\
  -append ${E(e.join(" ").replaceAll(",",",,"))}`}function X(e,t,n,o){let{kernel:r,volumes:i,nets:s}=e,a=r.devices.length>0?r.devices:[...s.map(ye),...i.map(ge)],c=0;return a.map(({name:f,type:d},l)=>{let u=o?`,addr=0x${(l+2).toString(16)}`:"";if(d==="net"){let g=c++;return` \\
  -netdev "tap,id=n${l},ifname=\${TAP${g}:-tap${g}},script=no,downscript=no" -device ${t},netdev=n${l}${u}`}let m=i.find(({device:g})=>g===f),h=m?m.shell.slice(1,-1):"/dev/null";return` \\
  -drive "id=d${l},file=${h},if=none,format=raw,readonly=on" -device ${n},drive=d${l}${u}`}).join("")}var ye=e=>({name:e,type:"net"}),ge=({device:e})=>({name:e,type:"block"});function F(e){let{kernel:t,memory:n,volumes:o,nets:r,args:i}=e,s=o.filter(({secret:f})=>!f).map(({name:f,shell:d})=>`${M(f)}=$(losetup -r -f --show ${d})
loops="$loops $${M(f)}"
`).join(""),a=o.map(({name:f,device:d,shell:l,secret:u})=>` \\
  --block:${d}=${u?l:`"$${M(f)}"`}`),c=r.map((f,d)=>` \\
  --net:${f}="\${TAP${d}:-tap${d}}"`);return`${$(e,`with solo5-${t.target}`)}
# Needs root (or group disk) for the loop devices, and the tap devices.
loops=
detach() {
  for loop in $loops; do losetup -d "$loop"; done
}
trap detach EXIT
${s}solo5-${t.target} --mem=${n}${c.join("")}${a.join("")} \\
  -- "$release/${t.path}"${x(i)}
`}var M=e=>`volume_${e.replaceAll("-","_")}`;function O({name:e,kernel:t,state:n}){return`# systemd unit for ${e} (${t.target}); copy to /etc/systemd/system/${e}.service.
[Unit]
Description=${e} unikernel (solo5-${t.target})
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=/bin/sh ${n}/current/launch/${t.path.slice(8)}.sh
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
`}function Q(e){let{kernel:t,volumes:n,args:o}=e,r=n.map(({device:i,shell:s})=>`# volume for ${i}: ${s.replaceAll('"',"")}
`).join("");return`${$(e,"as a host program")}
# A unix kernel finds its volumes as its own arguments say.
${r}cp -f "$release/${t.path}" "\${TMPDIR:-/tmp}/${e.name}.$$"
chmod 0700 "\${TMPDIR:-/tmp}/${e.name}.$$"
exec "\${TMPDIR:-/tmp}/${e.name}.$$"${n.map(({shell:i})=>` ${i}`).join("")}${x(o)}
`}function T({name:e,kernel:t,kernelFile:n,memory:o,args:r,volumes:i}){let s=i.map(({file:a},c)=>`"format=raw, vdev=xvd${ee(c)}, access=ro, target=${L(a)}"`);return`# xl configuration for ${e} (${t.target}).
name     = "${e}"
type     = "${t.target==="pv"?"pv":"pvh"}"
kernel   = "${L(n)}"
cmdline  = "${L(r.join(" "))}"
memory   = ${o}
vcpus    = 1
on_crash = "destroy"
disk     = [ ${s.join(`,
             `)} ]
vif      = [ "bridge=xenbr0" ]
`}function J({name:e,kernelFile:t,memory:n,args:o,volumes:r}){let i=r.map(({file:s},a)=>`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${y(s)}'/>
      <target dev='xvd${ee(a)}' bus='xen'/>
      <readonly/>
    </disk>
`);return`<domain type='xen'>
  <name>${e}</name>
  <memory unit='MiB'>${n}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpvh'>xenpvh</type>
    <kernel>${y(t)}</kernel>
    <cmdline>${y(o.join(" "))}</cmdline>
  </os>
  <devices>
${i.join("")}    <interface type='bridge'><source bridge='xenbr0'/></interface>
    <console type='pty'><target type='xen' port='0'/></console>
  </devices>
</domain>
`}var ee=e=>String.fromCharCode(98+e),L=e=>e.replaceAll("\\","\\\\").replaceAll('"','\\"');function te(e){return e.kernels.flatMap(t=>{let n=G(e,t),o=`launch/${t.path.slice(8)}`;return($e[t.target??""]??[]).map(([r,i])=>({path:`${o}.${r}`,text:i(n)}))})}var $e={hvt:[["sh",F],["service",O]],spt:[["sh",F],["service",O]],virtio:[["sh",Y],["xml",W]],pvh:[["sh",Z]],xen:[["xl",T],["xml",J]],pv:[["xl",T]],"unikraft-fc":[["json",H]],unix:[["sh",Q]]};function re({layout:e,index:t,size:n},o){if(e.size!==n)return;let r=[],i=ne(),s=0;for(let a of e.pieces()){let c=ve(a);for(let f=0;f<c;){let{offset:d,size:l}=o[r.length],u=Math.min(c-f,d+l-s);xe(i,a,t,f,u),f+=u,s+=u,!(s<d+l)&&(r.push(i.digest("hex")),i=ne())}}return r}var ne=()=>be("sha256").update(`unikernel-deploy part 1
`);function xe(e,t,n,o,r){t.kind==="content"?e.update(`content ${n[t.file]?.id} ${o} ${r}
`):t.kind==="zeros"?e.update(`zeros ${r}
`):e.update(`bytes ${r}
`).update(t.bytes.subarray(o,o+r))}function ve(e){return e.kind==="bytes"?e.bytes.length:e.kind==="zeros"?e.length:e.size}var Mt=e=>"bytes"in e?e.bytes.length:e.size;async function Ft(e,t){let n=new Map;for(let l of e.volumes)n.set(l.name,await ke(l,t));let o=e.kernels.map(({file:l,size:u,id:m})=>({path:`kernels/${we.basename(l)}`,id:m,content:{file:l,offset:0,size:u}})),r={...e.manifest,volumes:e.manifest.volumes.map(l=>b(l)?{...Re(l),...n.get(l.name)?.fields}:l)},i=v(Pe,Ne(r)),s=te(r).map(({path:l,text:u})=>v(l,u)),a=[i,...s],c=a.map(({path:l,content:u})=>({path:l,sha256:R(u.bytes)})),f=[...n.values()].flatMap(({files:l})=>l),d={manifest:{...r,files:c},files:[...a,...o,...f]};return Ie(d,t.sequence,t.sign)}var Pe="SHA256SUMS",Se=new Set(["manifest.json","manifest.json.sig"]);async function Ie(e,t,n){let o=Ae(e.manifest,t),r=q(o),i=n?[v("manifest.json.sig",await n(r))]:[],s=e.files.filter(({path:a})=>!Se.has(a));return{manifest:o,files:[v("manifest.json",r),...i,...s]}}function Re({layout:e,path:t,index:n,parts:o,commit:r,tree:i,...s}){return s}function Ae(e,t){let{type:n,version:o,name:r,sequence:i,...s}=e;return{type:n,version:o,name:r,sequence:t,...s}}var se=(e,t)=>({path:e,id:C(t),content:{bytes:t}}),v=(e,t)=>se(e,Buffer.from(t));async function ke(e,t){let n=t.branches.get(e.name);return n?{fields:{...n},files:[]}:t.layout==="image"?_e(e,t):Oe(e)}async function _e(e,{inParts:t,deployed:n}){let{name:o,file:r,size:i}=e,s=se(`volumes/${o}.index`,e.indexFile??Buffer.from(j(e.index))),a={path:s.path,sha256:R(s.content.bytes)},c=`volumes/${o}.img`;if(i<=52428800&&!t(o)){let{id:d}=A(r);return{fields:{layout:"image",path:c,index:a},files:[{path:c,id:d,content:{file:r,offset:0,size:i}},s]}}let f=(await Ee(e,n)).map((d,l)=>({...d,path:`${c}.parts/${ae(l)}`}));return{fields:{layout:"image",parts:f.map(({path:d,range:l,sha256:u,id:m,print:h})=>({path:d,size:l.size,sha256:u,...h===void 0?{}:{blob:m,print:h}})),index:a},files:[...f.map(({path:d,id:l,range:u})=>({path:d,id:l,content:{file:r,...u}})),s]}}async function Ee(e,t){let{format:n,index:o,size:r}=e,i=e.layout??(n.rebuilds?z(n,o,{size:r}):void 0),s=i?_(o,i.starts,r):Fe(e),a=i&&e.isExact?re({layout:i,index:o,size:r},s):void 0,c=a?Me(e.name,t):new Map,f=s.map((u,m)=>!c.has(a?.[m]??"")),d=await V(e.file,s.filter((u,m)=>f[m])),l=0;return s.map((u,m)=>{let h=a?.[m],g=f[m]?d[l++]:c.get(h??"");return{range:u,sha256:g.sha256,id:g.id,print:h}})}function Me(e,t){let n=t?.manifest.volumes.filter(b).find(r=>r.name===e),o=n?.layout==="image"&&n.parts||[];return new Map(o.flatMap(({path:r,sha256:i,blob:s,print:a})=>s===void 0||a===void 0||t?.blobId(r)!==s?[]:[[a,{sha256:i,id:s}]]))}function Fe({file:e,format:t,size:n}){var s=[];try{let o=P(s,I(e));let r=[...t.list(o)].sort((d,l)=>d.offset-l.offset);let i=r.filter(({offset:d},l)=>d!==r[l-1]?.offset);return _(i,i.map(({offset:d})=>d),n)}catch(a){var c=a,f=!0}finally{S(s,c,f)}}var ae=e=>String(e).padStart(4,"0");function Oe(e){let{name:t,format:n}=e;if(!n.rebuilds)throw new p("CONFIG_INVALID",`volume ${t}: a host cannot make a ${n.name} image from its files`,{hint:"use layout: image for this release"});let o=[];for(let r of Te(e)){let{path:i,id:s,content:a}=r;if(a.size<=52428800)o.push({path:`volumes/${t}/${i}`,id:s,content:a});else for(let[c,f]of Le(r).entries())o.push({...f,path:`volumes/${t}.parts/${i}/${ae(c)}`})}return{fields:{layout:"files",path:`volumes/${t}`},files:o}}function Le({path:e,content:t}){let n=[];for(let o=0;o<t.size;o+=33554432){let r={offset:t.offset+o,size:Math.min(33554432,t.size-o)};n.push({path:e,id:A(t.file,r).id,content:{file:t.file,...r}})}return n}function Te(e){let{file:t,index:n}=e,o=De(e),r=n.map(({path:s,size:a,id:c},f)=>({path:s,id:c,content:{file:t,offset:o[f],size:a}})),i=r.filter(({path:s})=>U(s)).map(({path:s})=>`${s}: git stores no path with a segment that some system takes for ".git"`);if(i.length===0)return r;throw new p("SITE_UNREPRESENTABLE",`git cannot hold the files of volume ${e.name}`,{problems:i,hint:"leave these out of the site, or use layout: image with another format"})}function De({name:e,file:t,format:n,index:o,offsets:r}){var c=[];try{if(r)return r;let i=P(c,I(t));let s=u=>new p("FILE_CHANGED",`${t} changed since its index was made (at ${u})`);let a=[...n.list(i)];if(a.length<o.length)throw s(o[a.length].path);return a.map((u,m)=>{let h=o[m];if(h?.path!==u.path||h.size!==u.size)throw s(u.path);if(u.stored)throw new p("CONFIG_INVALID",`volume ${e}: its image does not hold ${u.path} as it is`,{hint:`use layout: image for a ${n.name} volume`});return u.offset})}catch(f){var d=f,l=!0}finally{S(c,d,l)}}function Ne(e){let t=e.kernels.map(({path:n,sha256:o})=>`${o}  ${n}
`);for(let n of e.volumes.filter(b))if(n.layout==="image")if(n.parts)for(let o of n.parts)t.push(`${o.sha256}  ${o.path}
`);else t.push(`${n.sha256}  ${n.path}
`);return t.join("")}var w=({path:e})=>e===""?"":`${e}/`;async function Bt(e,t,n){let o=`${w(n)}manifest.json`;if(!t.tree.has(o))return;let r=await e.readFile(t.commit,o);try{return r&&k(r,o)}catch(i){throw i instanceof p?new p("REPOSITORY_FOREIGN",`${n.url}: ${o} is not a release manifest of ours`,{problems:i.problems,hint:"deploy to an empty branch, or below a directory of its own (--path)",cause:i}):i}}function Ct(e,t,n){if(!(!t||t.name===e))throw new p("REPOSITORY_FOREIGN",`${n.path||"the root"} of ${n.url} holds the releases of "${t.name}", not of "${e}"`,{hint:"give each site a directory of its own (--path), or a repository of its own"})}async function Vt({source:e},t,n,{isAncestor:o}){if(t&&!(t.commit!==e.commit&&await o(t.commit,e.commit)!==!0))throw new p("REPOSITORY_FOREIGN",`${n.url} is where the source is, not a deployment repository`,{hint:"releases go to a repository (or a branch) of their own"})}function zt(e,t){if(e.length!==0)throw new p("REPOSITORY_FOREIGN",`${t.url} has something else where the release must be`,{problems:e.map(n=>`${n}: a file where a directory is needed, or a directory where a file is`),hint:"remove it, or deploy below another directory (--path)"})}async function jt(e,t,n){let o=await e.fetchCommit(t),r=await e.readFile(o,`${w(n)}manifest.json`),i=r&&k(r,`${t}:manifest.json`);return i&&t.endsWith(`/${i.source.commit}`)?{commit:o,manifest:i}:void 0}function qt(e,t){let n=new Map(le(t)),o=le(e).flatMap(([r,i])=>{let s=n.get(r);return n.delete(r),s===i?[]:[`${r}: sha256 ${i} now, ${s??"not there"} as deployed`]});for(let r of n.keys())o.push(`${r}: deployed, and not in this build`);if(o.length!==0)throw new p("RELEASE_CONFLICT",`source commit ${e.source.commit} was deployed with other bytes`,{problems:o,hint:"were all changes committed before this build? If so, the build is not reproducible: find out why, or use --force"})}function le(e){return[...e.kernels.map(({path:t,sha256:n})=>[t,n]),...e.volumes.filter(b).map(({name:t,sha256:n})=>[`volumes/${t}`,n])]}async function Ut(e,t,n,{place:o,sign:r,isOwnSignature:i}){if(r&&await ce(await Be(e,t.commit,o),i)!==void 0)return;let s=w(o);return{manifest:n,blobId:a=>t.tree.get(s+a)?.id}}async function Be(e,t,n){let o=`${w(n)}manifest.json`;return{text:await e.readFile(t,o),signature:await e.readFile(t,`${o}.sig`)}}async function ce({text:e,signature:t},n){return!e||!t?"not signed":await n?.(Buffer.from(e).toString("utf8"),Buffer.from(t).toString("latin1"))?void 0:"signed with another key"}async function Ht(e,{sequence:t},n,{sign:o,isOwnSignature:r}){let i=o&&await ce(await n(),r);i&&e.warning(`release ${t} is ${i}; force deploys it again, signed with this one`)}async function Gt(e,t,{isOlder:n}){return t!==void 0&&await n(e.source,t.source)}var fe=1024*1024;async function*Kt(e){let t=new Set,n=[],o=0;for(let{id:r,content:i}of e){if(t.has(r))continue;t.add(r);let s="bytes"in i?i.bytes.length:i.size;n.push(Buffer.from(`blob
data ${s}
`));for(let a of je(i))n.push(a),o+=a.length,!(o<fe)&&(yield Buffer.concat(n),n=[],o=0);n.push(ze)}yield Buffer.concat([...n,Buffer.from(`done
`)])}var ze=Buffer.from(`
`);function*je(e){if("bytes"in e){yield e.bytes;return}let t=Ve(e.file,"r");try{for(let n=0;n<e.size;){let o=Buffer.allocUnsafe(Math.min(fe,e.size-n)),r=D(t,o,o.length,e.offset+n);if(r<o.length)throw N(`cannot read ${e.file}`,new Error("it ended early"));yield o,n+=r}}finally{Ce(t)}}export{Mt as a,Ft as b,Pe as c,Ie as d,Te as e,Ne as f,w as g,Bt as h,Ct as i,Vt as j,zt as k,jt as l,qt as m,Ut as n,Be as o,Ht as p,Gt as q,Kt as r,je as s};
