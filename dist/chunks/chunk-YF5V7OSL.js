import{a as _,b as me}from"./chunk-MNINUFH6.js";import{a as N,b as T}from"./chunk-R53F7K6B.js";import{a as ie}from"./chunk-VCX5MZI3.js";import{a as D,b as ce}from"./chunk-36THJESO.js";import{c as E}from"./chunk-EZCH76JH.js";import{D as b,E as le,I as fe,J as z}from"./chunk-3BQ6RJJM.js";import{a as de,b as q,c as ue}from"./chunk-3J64WR54.js";import{d as se}from"./chunk-G3LHASV2.js";import{b as ae,e as U}from"./chunk-JW3B6ESE.js";import{a as oe}from"./chunk-A6V3UR6V.js";import{g as W,i as re}from"./chunk-NM2ADJEA.js";import{b as h,c as O}from"./chunk-C32ALVN4.js";import{e as P,f as M}from"./chunk-LDXI2OCE.js";import{setTimeout as un}from"node:timers/promises";function pe(e){return`# ${e}: releases

Written by unikernel-deploy. Each commit here is one release of ${e}: a unikernel, its data volumes and a manifest that
names the source commit and the sha256 of every file. The newest release is the tip of this branch; the release of a
source commit is the tag \`source/${e}/<commit>\`.

- \`manifest.json\`: what the release is; \`manifest.json.sig\`: its signature, where one is made
- \`SHA256SUMS\`: digests of kernels and images in the form that \`sha256sum -c\` reads
- \`kernels/\`: one kernel a target
- \`volumes/\`: block images (\`NAME.img\`, or \`NAME.img.parts/\`: join the parts in order), or the site's own files (\`NAME/\`)
- \`launch/\`: commands and configurations to start it by hand

A host follows this repository with

    unikernel-deploy host sync --config host.yml

where host.yml says

    name: ${e}
    repository: <the address of this repository>
    target: <hvt, spt, virtio, xen, \u2026>
    state: /var/lib/unikernel-deploy/${e}

Without that program: \`git clone --depth 1\`, \`sha256sum -c SHA256SUMS\`, join parts with \`cat\`, and start it as a file in
\`launch/\` shows. Attach copies of the images, never the files in the clone: most tenders open them for writing.

Files that unikernel-deploy did not write are left alone, this one too.
`}function he(e,t,n){let{prefix:r,tree:o,current:s}=n,i=e.map(f=>({...f,path:r+f.path})),l=`${r}README.md`;o.has(l)||i.push(gt(l,t));let c=new Set(i.map(({path:f})=>f)),a=[...o.keys()].filter(f=>!c.has(f)&&bt(f,r,s)),d=new Set(a),u=[...o.keys()].filter(f=>!c.has(f)&&!d.has(f));return{...be(i,o),removed:a,inTheWay:yt(c,u)}}function ge(e,t){let n=new Set(e.map(({path:r})=>r));return{...be(e,t),removed:[...t.keys()].filter(r=>!n.has(r)),inTheWay:[]}}function yt(e,t){let n=new Set([...e].flatMap(ye)),r=t.filter(s=>n.has(s)),o=new Set(t.flatMap(s=>ye(s).filter(i=>e.has(i))));return[...r,...o]}function ye(e){let t=[];for(let n=e.indexOf("/");n>=0;n=e.indexOf("/",n+1))t.push(e.slice(0,n));return t}function be(e,t){let n=e.filter(({path:o,id:s})=>!ht(t.get(o),s)),r=new Set([...t.values()].map(({id:o})=>o));return{added:n,newBlobs:n.filter(({id:o})=>!r.has(o))}}var ht=(e,t)=>e?.id===t&&e.mode==="100644";function gt(e,t){let n=Buffer.from(pe(t));return{path:e,id:T(n),content:{bytes:n}}}function bt(e,t,n){if(!n||!e.startsWith(t))return!1;let r=e.slice(t.length);return r==="manifest.json.sig"||n.files?.some(o=>o.path===r)||n.kernels.some(o=>o.path===r)?!0:n.volumes.filter(b).some(({name:o})=>{let s=`volumes/${o}`;return r===`${s}.img`||r===`${s}.index`?!0:$t.some(i=>r.startsWith(s+i))})}var $t=["/",".parts/",".img.parts/"];import At from"node:path";function G(e,t,n){let r=[],o=0,s=0,i=l=>{r.push({offset:o,size:l-o}),o=l};for(;n-o>33554432;){for(;s<t.length&&t[s]<=o;)s++;let l=xt(e,t,s,o);i(l!==void 0?l:o+33554432)}return i(n),r}function xt(e,t,n,r){let o,s=Number.POSITIVE_INFINITY,i;for(let l=n;l<t.length;l++){let c=t[l];if(c-r>33554432)break;if(i=c,c-r<16777216)continue;let a=Rt(e[l].path);a>=s||(s=a,o=c)}return o??i}function Rt(e){let t=2166136261;for(let n=0;n<e.length;n++)t=Math.imul(t^e.charCodeAt(n),16777619);return t>>>0}var wt=/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g,kt=/^(?:\.git|git~1)[ .]*(?:[:\\].*)?$/i;function $e(e){return e.split("/").some(t=>kt.test(t.replaceAll(wt,"")))}function xe({name:e,kernelFile:t,memory:n,args:r,volumes:o}){return`${JSON.stringify({"boot-source":{kernel_image_path:t,boot_args:[e,...r].join(" ")},drives:o.map(({name:s,file:i})=>({drive_id:s,path_on_host:i,is_root_device:!1,is_read_only:!0})),"network-interfaces":[{iface_id:"eth0",host_dev_name:"tap0"}],"machine-config":{vcpu_count:1,mem_size_mib:n}},null,2)}
`}function Re(e,t){let n=`/var/lib/unikernel-deploy/${e.name}`,r=e.volumes.filter(le).map(({name:o,device:s,secret:i})=>({name:o,device:s,secret:i===!0,shell:i?`"$secrets/${o}.img"`:`"$release/volumes/${o}.img"`,file:i?`/run/unikernel-deploy/${e.name}/${o}.img`:`${n}/current/volumes/${o}.img`}));return{name:e.name,kernel:t,kernelFile:`${n}/current/${t.path}`,memory:e.launch.memory,args:e.launch.args,volumes:vt(r,t),nets:t.devices.filter(({type:o})=>o==="net").map(({name:o})=>o),state:n}}function vt(e,t){let n=t.devices.map(({name:o})=>o),r=({device:o})=>n.includes(o)?n.indexOf(o):n.length;return e.toSorted((o,s)=>r(o)-r(s))}function R({name:e,kernel:t,state:n,volumes:r},o){let s=r.some(({secret:i})=>i)?`# Secret volumes are made on this host (unikernel-deploy image create --secret); they are in no repository.
secrets=\${SECRETS:-/run/unikernel-deploy/${e}}
`:"";return`#!/bin/sh
# Starts ${e} (${t.target}, ${t.arch}) ${o}. Copy it and adapt it; the next release brings a new one.
set -eu
release=\${RELEASE:-${n}/current}
${s}`}function H(e){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(e)?e:`'${e.replaceAll("'","'\\''")}'`}var B=e=>e.map(t=>` ${H(t)}`).join(""),x=e=>e.replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll("'","&apos;").replaceAll('"',"&quot;");function we({name:e,kernel:t,kernelFile:n,memory:r,args:o,volumes:s}){let i=a=>`<address type='pci' domain='0x0000' bus='0x00' slot='0x${(a+3).toString(16).padStart(2,"0")}' function='0x0'/>`,l=0,c=t.devices.map((a,d)=>{if(a.type==="net")return`    <interface type='bridge'>
      <source bridge='br0'/>
      <model type='virtio-transitional'/>
      ${i(d)}
    </interface>
`;let u=s.find(m=>m.device===a.name),f=`vd${String.fromCharCode(97+l++)}`;return`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='${x(u?.file??"")}'/>
      <target dev='${f}' bus='virtio'/>
      <readonly/>
      ${i(d)}
    </disk>
`});return`<domain type='kvm'>
  <name>${e}</name>
  <memory unit='MiB'>${r}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${x(n)}</kernel>
    <cmdline>${x(o.join(" "))}</cmdline>
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
`}function ke(e){let{kernel:t,memory:n,args:r}=e;return`${R(e,"with qemu")}
# The guest binds devices by PCI slot, in the order of its application manifest: the slots below are that order.
exec qemu-system-x86_64 -machine pc,acpi=off -accel kvm -accel tcg -cpu Westmere -m ${n} -nodefaults \\
  -display none -serial stdio -no-reboot -device isa-debug-exit${Pe(e,"virtio-net","virtio-blk",!0)} \\
  -kernel "$release/${t.path}"${Se(r)}
`}function ve(e){let{kernel:t,memory:n,args:r}=e;return`${R(e,"with qemu's microvm")}
exec qemu-system-x86_64 -M microvm,acpi=off -accel kvm -accel tcg -m ${n} -nodefaults -no-user-config \\
  -display none -serial stdio -no-reboot -global virtio-mmio.force-legacy=false${Pe(e,"virtio-net-device","virtio-blk-device",!1)} \\
  -kernel "$release/${t.path}"${Se(r)}
`}function Se(e){return e.length===0?"":` \\
  -append ${H(e.join(" ").replaceAll(",",",,"))}`}function Pe(e,t,n,r){let{kernel:o,volumes:s,nets:i}=e,l=o.devices.length>0?o.devices:[...i.map(St),...s.map(Pt)],c=0;return l.map(({name:a,type:d},u)=>{let f=r?`,addr=0x${(u+2).toString(16)}`:"";if(d==="net"){let g=c++;return` \\
  -netdev "tap,id=n${u},ifname=\${TAP${g}:-tap${g}},script=no,downscript=no" -device ${t},netdev=n${u}${f}`}let m=s.find(({device:g})=>g===a),y=m?m.shell.slice(1,-1):"/dev/null";return` \\
  -drive "id=d${u},file=${y},if=none,format=raw,readonly=on" -device ${n},drive=d${u}${f}`}).join("")}var St=e=>({name:e,type:"net"}),Pt=({device:e})=>({name:e,type:"block"});function Y(e){let{kernel:t,memory:n,volumes:r,nets:o,args:s}=e,i=r.filter(({secret:a})=>!a).map(({name:a,shell:d})=>`${X(a)}=$(losetup -r -f --show ${d})
loops="$loops $${X(a)}"
`).join(""),l=r.map(({name:a,device:d,shell:u,secret:f})=>` \\
  --block:${d}=${f?u:`"$${X(a)}"`}`),c=o.map((a,d)=>` \\
  --net:${a}="\${TAP${d}:-tap${d}}"`);return`${R(e,`with solo5-${t.target}`)}
# Needs root (or group disk) for the loop devices, and the tap devices.
loops=
detach() {
  for loop in $loops; do losetup -d "$loop"; done
}
trap detach EXIT
${i}solo5-${t.target} --mem=${n}${c.join("")}${l.join("")} \\
  -- "$release/${t.path}"${B(s)}
`}var X=e=>`volume_${e.replaceAll("-","_")}`;function Z({name:e,kernel:t,state:n}){return`# systemd unit for ${e} (${t.target}); copy to /etc/systemd/system/${e}.service.
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
`}function Me(e){let{kernel:t,volumes:n,args:r}=e,o=n.map(({device:s,shell:i})=>`# volume for ${s}: ${i.replaceAll('"',"")}
`).join("");return`${R(e,"as a host program")}
# A unix kernel finds its volumes as its own arguments say.
${o}cp -f "$release/${t.path}" "\${TMPDIR:-/tmp}/${e.name}.$$"
chmod 0700 "\${TMPDIR:-/tmp}/${e.name}.$$"
exec "\${TMPDIR:-/tmp}/${e.name}.$$"${n.map(({shell:s})=>` ${s}`).join("")}${B(r)}
`}function J({name:e,kernel:t,kernelFile:n,memory:r,args:o,volumes:s}){let i=s.map(({file:l},c)=>`"format=raw, vdev=xvd${Ie(c)}, access=ro, target=${K(l)}"`);return`# xl configuration for ${e} (${t.target}).
name     = "${e}"
type     = "${t.target==="pv"?"pv":"pvh"}"
kernel   = "${K(n)}"
cmdline  = "${K(o.join(" "))}"
memory   = ${r}
vcpus    = 1
on_crash = "destroy"
disk     = [ ${i.join(`,
             `)} ]
vif      = [ "bridge=xenbr0" ]
`}function Ae({name:e,kernelFile:t,memory:n,args:r,volumes:o}){let s=o.map(({file:i},l)=>`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${x(i)}'/>
      <target dev='xvd${Ie(l)}' bus='xen'/>
      <readonly/>
    </disk>
`);return`<domain type='xen'>
  <name>${e}</name>
  <memory unit='MiB'>${n}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpvh'>xenpvh</type>
    <kernel>${x(t)}</kernel>
    <cmdline>${x(r.join(" "))}</cmdline>
  </os>
  <devices>
${s.join("")}    <interface type='bridge'><source bridge='xenbr0'/></interface>
    <console type='pty'><target type='xen' port='0'/></console>
  </devices>
</domain>
`}var Ie=e=>String.fromCharCode(98+e),K=e=>e.replaceAll("\\","\\\\").replaceAll('"','\\"');function Oe(e){return e.kernels.flatMap(t=>{let n=Re(e,t),r=`launch/${t.path.slice(8)}`;return(Mt[t.target??""]??[]).map(([o,s])=>({path:`${r}.${o}`,text:s(n)}))})}var Mt={hvt:[["sh",Y],["service",Z]],spt:[["sh",Y],["service",Z]],virtio:[["sh",ke],["xml",we]],pvh:[["sh",ve]],xen:[["xl",J],["xml",Ae]],pv:[["xl",J]],"unikraft-fc":[["json",xe]],unix:[["sh",Me]]};var w=e=>"bytes"in e?e.bytes.length:e.size;async function _e(e,t){let n=new Map;for(let f of e.volumes)n.set(f.name,Tt(f,t));let r=e.kernels.map(({file:f,size:m,id:y})=>({path:`kernels/${At.basename(f)}`,id:y,content:{file:f,offset:0,size:m}})),o={...e.manifest,volumes:e.manifest.volumes.map(f=>b(f)?{...It(f),...n.get(f.name)?.fields}:f)},s=A("SHA256SUMS",Ft(o)),i=Oe(o).map(({path:f,text:m})=>A(f,m)),l=[s,...i],c=Ot({...o,files:l.map(({path:f,content:m})=>({path:f,sha256:N(m.bytes)}))},t.sequence),a=fe(c),d=t.sign?[A("manifest.json.sig",await t.sign(a))]:[],u=[...n.values()].flatMap(({files:f})=>f);return{manifest:c,files:[A("manifest.json",a),...d,...l,...r,...u]}}function It({layout:e,path:t,index:n,parts:r,commit:o,tree:s,...i}){return i}function Ot(e,t){let{type:n,version:r,name:o,sequence:s,...i}=e;return{type:n,version:r,name:o,sequence:t,...i}}function A(e,t){let n=Buffer.from(t);return{path:e,id:T(n),content:{bytes:n}}}function Tt(e,t){let n=t.branches.get(e.name);return n?{fields:{...n},files:[]}:t.layout==="image"?Et(e,t):Dt(e)}function Et(e,{inParts:t}){let{name:n,file:r,size:o}=e,s=A(`volumes/${n}.index`,D(e.index)),i={path:s.path,sha256:N(s.content.bytes)},l=`volumes/${n}.img`;if(o<=52428800&&!t(n)){let{id:a}=E(r);return{fields:{layout:"image",path:l,index:i},files:[{path:l,id:a,content:{file:r,offset:0,size:o}},s]}}let c=_t(e).map((a,d)=>({...E(r,a),path:`${l}.parts/${De(d)}`,content:{file:r,...a}}));return{fields:{layout:"image",parts:c.map(a=>({path:a.path,size:a.size,sha256:a.sha256})),index:i},files:[...c.map(({path:a,id:d,content:u})=>({path:a,id:d,content:u})),s]}}function _t({file:e,format:t,index:n,size:r}){var l=[];try{if(t.rebuilds)return G(n,_(t,n,{size:r}).starts,r);let o=P(l,W(e));let s=[...t.list(o)].sort((u,f)=>u.offset-f.offset);let i=s.filter(({offset:u},f)=>u!==s[f-1]?.offset);return G(i,i.map(({offset:u})=>u),r)}catch(c){var a=c,d=!0}finally{M(l,a,d)}}var De=e=>String(e).padStart(4,"0");function Dt(e){let{name:t,format:n}=e;if(!n.rebuilds)throw new h("CONFIG_INVALID",`volume ${t}: a host cannot make a ${n.name} image from its files`,{hint:"use layout: image for this release"});let r=Q(e).flatMap(o=>w(o.content)<=52428800?[{...o,path:`volumes/${t}/${o.path}`}]:Bt(o).map((s,i)=>({...s,path:`volumes/${t}.parts/${o.path}/${De(i)}`})));return{fields:{layout:"files",path:`volumes/${t}`},files:r}}function Bt({path:e,content:t}){let n=[];for(let r=0;r<t.size;r+=33554432){let o={offset:t.offset+r,size:Math.min(33554432,t.size-r)};n.push({path:e,id:E(t.file,o).id,content:{file:t.file,...o}})}return n}function Q(e){var o=[];try{let t=P(o,W(e.file));let n=[...Lt(e,t)].map(({path:c,size:a,offset:d,id:u})=>({path:c,id:u,content:{file:e.file,offset:d,size:a}}));let r=n.filter(({path:c})=>$e(c)).map(({path:c})=>`${c}: git stores no path with a segment that some system takes for ".git"`);if(r.length===0)return n;throw new h("SITE_UNREPRESENTABLE",`git cannot hold the files of volume ${e.name}`,{problems:r,hint:"leave these out of the site, or use layout: image with another format"})}catch(s){var i=s,l=!0}finally{M(o,i,l)}}function*Lt(e,t){let n=0;for(let r of e.format.list(t)){let o=e.index[n++];if(o?.path!==r.path||o.size!==r.size)throw new h("FILE_CHANGED",`${e.file} changed since its index was made (at ${r.path})`);if(r.stored)throw new h("CONFIG_INVALID",`volume ${e.name}: its image does not hold ${r.path} as it is`,{hint:`use layout: image for a ${e.format.name} volume`});yield{...r,id:o.id}}}function Ft(e){let t=e.kernels.map(({path:n,sha256:r})=>`${r}  ${n}
`);for(let n of e.volumes.filter(b))if(n.layout==="image")if(n.parts)for(let r of n.parts)t.push(`${r.sha256}  ${r.path}
`);else t.push(`${n.sha256}  ${n.path}
`);return t.join("")}var I=({path:e})=>e===""?"":`${e}/`;async function ee(e,t,n){let r=`${I(n)}manifest.json`;if(!t.tree.has(r))return;let o=await e.readFile(t.commit,r);try{return o&&z(o,r)}catch(s){throw s instanceof h?new h("REPOSITORY_FOREIGN",`${n.url}: ${r} is not a release manifest of ours`,{problems:s.problems,hint:"deploy to an empty branch, or below a directory of its own (--path)",cause:s}):s}}function Le(e,t,n){if(!(!t||t.name===e))throw new h("REPOSITORY_FOREIGN",`${n.path||"the root"} of ${n.url} holds the releases of "${t.name}", not of "${e}"`,{hint:"give each site a directory of its own (--path), or a repository of its own"})}function Fe(e,t){if(e.length!==0)throw new h("REPOSITORY_FOREIGN",`${t.url} has something else where the release must be`,{problems:e.map(n=>`${n}: a file where a directory is needed, or a directory where a file is`),hint:"remove it, or deploy below another directory (--path)"})}async function je(e,t,n){let r=await e.fetchCommit(t),o=await e.readFile(r,`${I(n)}manifest.json`);return o&&{commit:r,manifest:z(o,`${t}:manifest.json`)}}function Ve(e,t){let n=new Map(Be(t)),r=Be(e).flatMap(([o,s])=>{let i=n.get(o);return n.delete(o),i===s?[]:[`${o}: sha256 ${s} now, ${i??"not there"} as deployed`]});for(let o of n.keys())r.push(`${o}: deployed, and not in this build`);if(r.length!==0)throw new h("RELEASE_CONFLICT",`source commit ${e.source.commit} was deployed with other bytes`,{problems:r,hint:"the build is not reproducible: find out why, or deploy this build over it with --force"})}function Be(e){return[...e.kernels.map(({path:t,sha256:n})=>[t,n]),...e.volumes.filter(b).map(({name:t,sha256:n})=>[`volumes/${t}`,n])]}async function Ce(e,t,{isAncestor:n}){return t!==void 0&&await n(e.source.commit,t.source.commit)===!0}var L=(e,t)=>`refs/heads/volume/${e}/${t}`;async function We(e,t,n,r){let o=t.manifest.name,s=t.volumes.filter(({format:f})=>f.name==="git"),i=new Map;for(let{name:f}of s){let m=n.get(L(o,f));m!==void 0&&i.set(f,await e.fetchTip(m))}let l=Math.max(r,...[...i.values()].map(f=>f.time)),c=new Map,a=[],d=[],u={changed:0,removed:0,bytes:0};for(let f of s){let m=i.get(f.name),{added:y,removed:g,newBlobs:p}=ge(Q(f),m?.tree??new Map);d.push(...p);let $=await e.writeTree(m,g,y),k=y.length+g.length>0||m===void 0,v=`Publish ${f.name} of ${o}

Source-Commit: ${t.manifest.source.commit}
`,S=k?await e.commit($,m?.commit,v,l):m.commit;c.set(f.name,{commit:S,tree:$}),k&&a.push({name:L(o,f.name),id:S,expected:m?.commit}),u.changed+=y.length,u.removed+=g.length,u.bytes+=y.reduce((j,{content:V})=>j+w(V),0)}return{commits:c,updates:a,time:l,...u,newBlobs:d}}function F(e,t,n){let r=[Ue(e),Ue(t)];for(let o of n)if(o.kind==="copy")for(let s=0;s<o.length;s+=16777215)r.push(jt(o.offset+s,Math.min(16777215,o.length-s)));else for(let s=0;s<o.bytes.length;s+=127){let i=o.bytes.subarray(s,s+127);r.push(Buffer.of(i.length),i)}return Buffer.concat(r)}function Ue(e){let t=[],n=e;do{let r=n%128;n=Math.floor(n/128),t.push(n>0?r|128:r)}while(n>0);return Buffer.from(t)}function jt(e,t){let n=[128];for(let r=0;r<7;r++){let o=r<4?Math.floor(e/256**r)%256:Math.floor(t/256**(r-4))%256;o!==0&&(n[0]=n[0]|1<<r,n.push(o))}return Buffer.from(n)}function ze(e,t){let n=Math.min(e.length,t.length),r=0;for(;r<n&&e[r]===t[r];)r++;let o=0;for(;o<n-r&&e[e.length-1-o]===t[t.length-1-o];)o++;return F(e.length,t.length,[{kind:"copy",offset:0,length:r},{kind:"insert",bytes:t.subarray(r,t.length-o)},{kind:"copy",offset:e.length-o,length:o}])}function qe(e,t){let n=new Map;for(let{line:o,offset:s}of Ne(e))n.set(o,s);let r=[];for(let{line:o,offset:s,length:i}of Ne(t)){let l=n.get(o),c=r.at(-1);l===void 0?r.push({kind:"insert",bytes:t.subarray(s,s+i)}):c?.kind==="copy"&&c.offset+c.length===l?r[r.length-1]={...c,length:c.length+i}:r.push({kind:"copy",offset:l,length:i})}return F(e.length,t.length,r)}function*Ne(e){for(let t=0;t<e.length;){let n=e.indexOf(10,t),r=n<0?e.length:n+1;yield{line:e.toString("latin1",t,r),offset:t,length:r-t},t=r}}async function Ge(e,t){let{updates:n,without:r,blobs:o,deltas:s,tip:i}=t,l=n.flatMap(({id:u})=>u??[]),c=await e.newObjects(l,r),a=await Promise.all(c.map(u=>Ct(e,u,i))),d=new Map(o.map(({id:u,content:f})=>[u,f]));return[...a,...[...d].map(([u,f])=>s.get(u)??{type:"blob",size:w(f),chunks:()=>de(f)})]}var Vt=256;async function Ct(e,{type:t,path:n,bytes:r},o){let s={type:t,size:r.length,chunks:()=>[r]};if(t!=="tree"||r.length<Vt)return s;let i=await e.readTree(o,n);if(!i)return s;let l=ze(i.bytes,r);return l.length<r.length/2?{type:"delta",base:i.id,delta:()=>l}:s}import{Readable as Je}from"node:stream";import{createHash as Wt}from"node:crypto";import{Readable as Ut}from"node:stream";import{createDeflate as Nt,deflateSync as Xe}from"node:zlib";var zt={commit:1,tree:2,blob:3,tag:4},qt=7,Gt=1024*1024;async function*Ye(e){let t=Wt("sha1");for await(let n of Ht(e))t.update(n),yield n;yield t.digest()}async function*Ht(e){let t=Buffer.alloc(12);t.write("PACK","latin1"),t.writeUInt32BE(2,4),t.writeUInt32BE(e.length,8),yield t;for(let n of e)if(n.type==="delta"){let r=n.delta();yield Buffer.concat([He(qt,r.length),Buffer.from(n.base,"hex"),Xe(r)])}else yield He(zt[n.type],n.size),yield*Xt(n.chunks(),n.size)}async function*Xt(e,t){if(t<=Gt)yield Xe(Buffer.concat([...e]));else for await(let n of Ut.from(e).pipe(Nt()))yield n}function He(e,t){let n=[],r=e<<4|t%16,o=Math.floor(t/16);for(;o>0;)n.push(r|128),r=o%128,o=Math.floor(o/128);return n.push(r),Buffer.from(n)}function Ze(e){let t=Buffer.from(e);return Buffer.concat([Buffer.from((t.length+4).toString(16).padStart(4,"0")),t])}var Ke=Buffer.from("0000");function te(e){let t=[];for(let n=0;n<e.length;){let r=e.toString("latin1",n,n+4),o=/^[0-9a-f]{4}$/i.test(r)?Number.parseInt(r,16):-1;if(o===0){t.push(void 0),n+=4;continue}if(o<4||o>65520||n+o>e.length)return;t.push(e.subarray(n+4,n+o)),n+=o}return t}var Yt=["http_proxy","https_proxy","all_proxy","HTTP_PROXY","HTTPS_PROXY","ALL_PROXY","GIT_SSL_CAINFO","GIT_SSL_NO_VERIFY"];function tt({url:e,authorization:t,env:n}){return/^https?:\/\//.test(e)&&t!==void 0&&!Yt.some(r=>n[r])}var Qe="0".repeat(40),Zt="report-status atomic side-band-64k object-format=sha1 agent=unikernel-deploy",et=1024*1024;async function nt(e,t,n,r){let o=0,s=(async function*(){for await(let i of Kt(n,r))o+=i.length,yield i})();try{let i=await fetch(`${e.replace(/\/+$/,"")}/git-receive-pack`,{method:"POST",headers:{"content-type":"application/x-git-receive-pack-request",accept:"application/x-git-receive-pack-result",...t?{authorization:t}:{}},body:Je.toWeb(Je.from(s)),duplex:"half",redirect:"manual"});return i.status!==200?{kind:"unclear",reason:`status ${i.status}`}:Qt(await Jt(i),n,o)}catch(i){return{kind:"unclear",reason:O(i)}}}async function*Kt(e,t){yield Buffer.concat([...e.map(({name:n,id:r,expected:o},s)=>{let i=`${o??Qe} ${r??Qe} ${n}`;return Ze(s===0?`${i}\0 ${Zt}`:i)}),Ke]),yield*Ye(t)}async function Jt(e){let t=[],n=0;for await(let r of e.body){if(n+=r.length,n>et)throw new Error(`an answer of more than ${et} bytes`);t.push(r)}return Buffer.concat(t)}function Qt(e,t,n){let r=en(e);if(r===void 0)return{kind:"unclear",reason:"an answer that is not a report"};let o=r.filter(i=>i.startsWith("ng "));if(o.length>0)return o.some(l=>/failed to update ref|incorrect old value|cannot lock|already exists/.test(l))?{kind:"raced"}:{kind:"unclear",reason:o.join("; ")};let s=new Set(r.filter(i=>i.startsWith("ok ")).map(i=>i.slice(3)));return r.includes("unpack ok")&&t.every(({name:i})=>s.has(i))?{kind:"pushed",bytes:n}:{kind:"unclear",reason:r.join("; ")}}function en(e){let t=te(e);if(!t)return;let n=t.find(o=>o?.[0]===3);if(n)return[`ng - ${n.toString("utf8",1).trim()}`];let r=Buffer.concat(t.flatMap(o=>o?.[0]===1?[o.subarray(1)]:[]));return te(r)?.flatMap(o=>o?[o.toString("utf8").trimEnd()]:[])}import{closeSync as an,openSync as ln}from"node:fs";function st(e,t){let n=tn(e,t);return t.parts.map(r=>{let o=n.flatMap(c=>nn(c,r)),s=rn(o,e.parts);if(s===void 0)return;let i=on(r,o,e.parts[s]);return i.reduce((c,{kind:a,length:d})=>a==="copy"?c+d:c,0)>=r.size*.25?{base:s,steps:i}:void 0})}function tn(e,t){let n=new Map;return e.index.forEach((r,o)=>n.set(rt(r),o)),t.index.flatMap((r,o)=>{let s=n.get(rt(r));if(s===void 0)return[];let i=Math.min(ot(e,s),ot(t,o));return[{oldOffset:e.starts[s],offset:t.starts[o],length:i}]})}var rt=({id:e,size:t,path:n})=>`${e} ${t} ${n}`,ot=({starts:e,size:t},n)=>(e[n+1]??t)-e[n];function nn({oldOffset:e,offset:t,length:n},r){let o=Math.max(t,r.offset),s=Math.min(t+n,r.offset+r.size);return s>o?[{oldOffset:e+(o-t),offset:o,length:s-o}]:[]}function rn(e,t){let n,r=0;return t.forEach((o,s)=>{let i=e.reduce((l,{oldOffset:c,length:a})=>l+it(c,a,o),0);i<=r||(r=i,n=s)}),n}function it(e,t,n){return Math.max(0,Math.min(e+t,n.offset+n.size)-Math.max(e,n.offset))}function on(e,t,n){let r=[],o=e.offset,s=i=>{i>o&&r.push({kind:"insert",offset:o,length:i-o}),o=Math.max(o,i)};for(let{oldOffset:i,offset:l,length:c}of t){let a=Math.max(0,n.offset-i),d=it(i,c,n);d!==0&&(s(l+a),r.push({kind:"copy",offset:i+a-n.offset,length:d}),o=l+a+d)}return s(e.offset+e.size),sn(r)}function sn(e){let t=[];for(let n of e){let r=t.at(-1);r?.kind===n.kind&&r.offset+r.length===n.offset?t[t.length-1]={...r,length:r.length+n.length}:t.push(n)}return t}async function lt(e,t){let{manifest:n,current:r,volumes:o,blobs:s,prefix:i}=t,l=new Map(s.map(({path:a,id:d})=>[a,d])),c=new Map;for(let a of o){let d=at(n,a.name),u=at(r,a.name);if(!d||!u||!a.format.rebuilds||u.format!==d.format)continue;let f=await fn(e,t,u,a);if(!f)continue;cn(c,f,a,l.get(i+(d.index?.path??"")));let m=ct(d),y={...dt(a,a.index,a.size),parts:ft(m)};for(let[g,p]of st(f,y).entries()){let $=l.get(i+m[g].path);if(!p||$===void 0)continue;let k=f.ids[p.base],v={base:f.parts[p.base].size,target:y.parts[g].size};c.set($,{type:"delta",base:k,delta:()=>dn(a.file,v,p.steps)})}}return c}function cn(e,t,{index:n},r){if(r===void 0||n.length===0)return;let o=Buffer.from(D(n));e.set(r,{type:"delta",base:t.textId,delta:()=>qe(t.text,o)})}function at(e,t){return e.volumes.filter(b).find(n=>n.name===t&&n.layout==="image")}var ct=({parts:e,path:t,size:n})=>e??(t?[{path:t,size:n}]:[]);function ft(e){let t=0;return e.map(({size:n})=>{let r={offset:t,size:n};return t+=n,r})}function dt(e,t,n){return{index:t,size:n,starts:_(e.format,t,{size:n}).starts}}async function fn(e,{tip:t,prefix:n},r,o){let s=ct(r),i=s.flatMap(({path:a})=>t.tree.get(n+a)?.id??[]);if(!r.index||i.length!==s.length)return;let l=await e.readFile(t.commit,n+r.index.path),c=t.tree.get(n+r.index.path)?.id;if(!(!l||!c))try{return{...dt(o,ce(l.toString("utf8")),r.size),parts:ft(s),ids:i,text:l,textId:c}}catch(a){if(a instanceof h)return;throw a}}function dn(e,t,n){let r=ln(e,"r");try{let o=n.map(s=>{if(s.kind==="copy")return s;let i=Buffer.allocUnsafe(s.length);if(re(r,i,s.length,s.offset)===s.length)return{kind:"insert",bytes:i};throw new h("FILE_CHANGED",`${e} ended early`)});return F(t.base,t.target,o)}finally{an(r)}}var ut=20;function oo(e){let t={url:e.access.url,path:e.path};return{async deployed(){var s=[];try{let n=P(s,await q(e.access));let r=`refs/heads/${e.branch}`;let o=(await n.refs([r])).get(r);return o===void 0?void 0:ee(n,await n.fetchTip(o),t)}catch(i){var l=i,c=!0}finally{M(s,l,c)}},async publish(n,r){var s=[];try{let o=P(s,await q(e.access));for(let a=1;;a++){let d=await pn({work:o,release:n,place:t,options:e,publishing:r});if(d)return d.outcome==="deployed"?mn(d,e):d;if(a===ut)throw new h("PUSH_REJECTED",`${ut} pushes in a row came second to another one`,{hint:"is something else pushing to this branch all the time? Run again when it has stopped"});e.log.info(`another push landed first; trying again (${a})`),await un(e.random()*Math.min(5e3,100*2**a))}}catch(i){var l=i,c=!0}finally{M(s,l,c)}}}}async function mn(e,t){let{access:n,branch:r,history:o,log:s}=t;if(o===void 0)return e;try{let{tip:i}=await ue({access:n,branch:r,history:o,dryRun:!1,log:s});return{...e,revision:i}}catch(i){return s.warning(`the history was not cut to ${o} deployments: ${O(i)}; the next deploy tries again`),e}}async function pn(e){let{work:t,release:n,place:r,options:o,publishing:s}=e,i=hn(n,o.branch),l=await t.refs([i.branch,i.tag,...i.volumes]),c=await gn(t,l.get(i.branch)),a=c&&await ee(t,c,r);Le(n.manifest.name,a,r);let d=i.tag.slice(10),u=await $n(e,i.tag,l,a);if(u)return{...u,tag:d,changed:0,removed:0,bytes:0,sent:void 0};let f=I(r),m=await We(t,n,l,Math.max(s.now,c?.time??0)),{manifest:y,files:g}=await _e(n,{layout:s.layout,sequence:(a?.sequence??0)+1,inParts:C=>c?.tree.has(`${f}volumes/${C}.img.parts/0000`)===!0,branches:m.commits,sign:s.sign}),p=he(g,y.name,{prefix:f,tree:c?.tree??new Map,current:a});Fe(p.inTheWay,r);let $={outcome:"planned",manifest:y,revision:void 0,tag:d,changed:p.added.length+m.changed,removed:p.removed.length+m.removed,bytes:p.added.reduce((C,{content:pt})=>C+w(pt),m.bytes),sent:void 0};if(s.dryRun)return $;let k=await t.writeTree(c,p.removed,p.added),v=xn(y),S=await t.commit(k,c?.commit,v,m.time),j=await t.tag(d,S,v,m.time),V=[{name:i.branch,id:S,expected:l.get(i.branch)},{name:i.tag,id:j,expected:l.get(i.tag)},...m.updates],mt=[...p.newBlobs,...m.newBlobs],ne=await yn(e,{refs:l,tip:c,current:a,manifest:y,updates:V,blobs:mt});return ne.kind==="raced"?void 0:{...$,outcome:"deployed",revision:S,sent:ne.sent}}async function yn({work:e,release:t,place:n,options:r},o){let{tip:s,current:i,manifest:l,updates:c,blobs:a,refs:d}=o,{log:u,access:f}=r;if(s&&i&&tt(f)){u.progress(`sending ${U(a.length,"new file")}`);let m={volumes:t.volumes,blobs:a,prefix:I(n)},y=await lt(e,{tip:s,current:i,manifest:l,...m}),g=await Ge(e,{updates:c,tip:s.commit,without:[...d.values()],blobs:a,deltas:y}),p=await nt(f.url,f.authorization,c,g);if(p.kind==="pushed")return{kind:"pushed",sent:ae(p.bytes)};if(p.kind==="raced")return p;u.info(`the server did not take the push as it was (${p.reason}); git pushes it instead`)}return u.progress(`packing ${U(a.length,"new file")}`),await e.writeBlobs(a),e.push(c,{deltas:s!==void 0,onProgress:bn(u)})}function hn({manifest:e,volumes:t},n){return{branch:`refs/heads/${n}`,tag:`refs/tags/source/${e.name}/${e.source.commit}`,volumes:t.filter(({format:r})=>r.name==="git").map(({name:r})=>L(e.name,r))}}var gn=async(e,t)=>t===void 0?void 0:e.fetchTip(t),bn=e=>t=>e.progress(t.split(/[\r\n]/).findLast(n=>n.trim()!=="")??"");async function $n({work:e,release:t,place:n,publishing:r},o,s,i){if(r.force)return;let l=s.has(o)?await je(e,o,n):void 0;if(l)return Ve(t.manifest,l.manifest),{outcome:"unchanged",manifest:l.manifest,revision:l.commit};if(!(!i||!await Ce(t.manifest,i,r)))return{outcome:"superseded",manifest:i,revision:void 0}}function xn(e){let{name:t,source:n,sequence:r}=e,o=ie(n.repository,t);return`${`Deploy ${t} from ${o}@${n.commit.slice(0,12)}`}

Source-Commit: ${n.commit}
Release-Sequence: ${r}
`}function fo({layout:e,force:t,dryRun:n,signingKey:r,directory:o,env:s}){let i=r===void 0?void 0:se(r);return{layout:e,force:t,dryRun:n,now:Math.floor(Date.now()/1e3),sign:i===void 0?void 0:l=>me(l,i),async isAncestor(l,c){if(l===c)return;let a=["git","-c","safe.directory=*","-C",o,"merge-base","--is-ancestor",l,c],{code:d}=await oe(a,{env:s});return d===0?!0:d===1?!1:void 0}}}export{I as a,ee as b,oo as c,fo as d};
