import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{a as z,b as H,d as U,e as E,f as Y,g as J}from"./chunk-LN746YAZ.js";import{a as O,b as M}from"./chunk-Y7TQCMTF.js";import{a as V}from"./chunk-CLQNAUUE.js";import{b as S,c as Z}from"./chunk-XEDHQOXP.js";import{b as K,c as F}from"./chunk-S3HJOFQM.js";import{a as W}from"./chunk-GX4J637G.js";import{a as j,e as G,g as N,i as q}from"./chunk-VXCGBFEX.js";import{a as h}from"./chunk-NB5HXV7F.js";import{d as g}from"./chunk-ED63DLRW.js";import{e as P,f as k}from"./chunk-M2U3AMWO.js";import{setTimeout as Ke}from"node:timers/promises";import Fe from"node:path";function X(e,t,n){let r=[],o=0,s=0,i=a=>{r.push({offset:o,size:a-o}),o=a};for(;n-o>33554432;){for(;s<t.length&&t[s]<=o;)s++;let a=ve(e,t,s,o);i(a!==void 0?a:o+33554432)}return i(n),r}function ve(e,t,n,r){let o,s=Number.POSITIVE_INFINITY,i;for(let a=n;a<t.length;a++){let d=t[a];if(d-r>33554432)break;if(i=d,d-r<16777216)continue;let l=we(e[a].path);l>=s||(s=l,o=d)}return o??i}function we(e){let t=2166136261;for(let n=0;n<e.length;n++)t=Math.imul(t^e.charCodeAt(n),16777619);return t>>>0}function re(e){return e.kernels.flatMap(t=>{let n=xe(e,t),r=`launch/${t.path.slice(8)}`;return(Re[t.target??""]??[]).map(([o,s])=>({path:`${r}.${o}`,text:s(n)}))})}var Re={hvt:[["sh",Q],["service",te]],spt:[["sh",Q],["service",te]],virtio:[["sh",ke],["xml",Se]],pvh:[["sh",Ee]],xen:[["xl",ne],["xml",_e]],pv:[["xl",ne]],"unikraft-fc":[["json",Ie]],unix:[["sh",Me]]};function xe(e,t){let n=`/var/lib/unikernel-deploy/${e.name}`,r=e.volumes.map(({name:o,device:s,secret:i})=>({name:o,device:s,secret:i===!0,shell:i?`"$secrets/${o}.img"`:`"$release/volumes/${o}.img"`,file:i?`/run/unikernel-deploy/${e.name}/${o}.img`:`${n}/current/volumes/${o}.img`}));return{name:e.name,kernel:t,kernelFile:`${n}/current/${t.path}`,memory:e.launch.memory,args:e.launch.args,volumes:Pe(r,t),nets:t.devices.filter(({type:o})=>o==="net").map(({name:o})=>o),state:n}}function Pe(e,t){let n=t.devices.map(({name:o})=>o),r=({device:o})=>n.includes(o)?n.indexOf(o):n.length;return e.toSorted((o,s)=>r(o)-r(s))}function oe(e){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(e)?e:`'${e.replaceAll("'","'\\''")}'`}var $=e=>e.replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll("'","&apos;").replaceAll('"',"&quot;"),se=e=>e.map(t=>` ${oe(t)}`).join("");function _({name:e,kernel:t,state:n,volumes:r},o){let s=r.some(({secret:i})=>i)?`# Secret volumes are made on this host (unikernel-deploy image create --secret); they are in no repository.
secrets=\${SECRETS:-/run/unikernel-deploy/${e}}
`:"";return`#!/bin/sh
# Starts ${e} (${t.target}, ${t.arch}) ${o}. Copy it and adapt it; the next release brings a new one.
set -eu
release=\${RELEASE:-${n}/current}
${s}`}function Q(e){let{kernel:t,memory:n,volumes:r,nets:o,args:s}=e,i=r.filter(({secret:l})=>!l).map(({name:l,shell:m})=>`${ee(l)}=$(losetup -r -f --show ${m})
`).join(""),a=r.map(({name:l,device:m,shell:c,secret:u})=>` \\
  --block:${m}=${u?c:`"$${ee(l)}"`}`),d=o.map((l,m)=>` \\
  --net:${l}="\${TAP${m}:-tap${m}}"`);return`${_(e,`with solo5-${t.target}`)}
# Needs root (or group disk) for the loop devices, and the tap devices.
${i}exec solo5-${t.target} --mem=${n}${d.join("")}${a.join("")} \\
  -- "$release/${t.path}"${se(s)}
`}var ee=e=>`volume_${e.replaceAll("-","_")}`;function te({name:e,kernel:t,state:n}){return`# systemd unit for ${e} (${t.target}); copy to /etc/systemd/system/${e}.service.
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
`}function ke(e){let{kernel:t,memory:n,args:r}=e;return`${_(e,"with qemu")}
# The guest binds devices by PCI slot, in the order of its application manifest: the slots below are that order.
exec qemu-system-x86_64 -machine pc,acpi=off -accel kvm -accel tcg -cpu Westmere -m ${n} -nodefaults \\
  -display none -serial stdio -no-reboot -device isa-debug-exit${ae(e,"virtio-net","virtio-blk",!0)} \\
  -kernel "$release/${t.path}"${ie(r)}
`}function Ee(e){let{kernel:t,memory:n,args:r}=e;return`${_(e,"with qemu's microvm")}
exec qemu-system-x86_64 -M microvm,acpi=off -accel kvm -accel tcg -m ${n} -nodefaults -no-user-config \\
  -display none -serial stdio -no-reboot -global virtio-mmio.force-legacy=false${ae(e,"virtio-net-device","virtio-blk-device",!1)} \\
  -kernel "$release/${t.path}"${ie(r)}
`}function ie(e){return e.length===0?"":` \\
  -append ${oe(e.join(" ").replaceAll(",",",,"))}`}function ae(e,t,n,r){let{kernel:o,volumes:s,nets:i}=e,a=o.devices.length>0?o.devices:[...i.map(Ae),...s.map(Te)],d=0;return a.map(({name:l,type:m},c)=>{let u=r?`,addr=0x${(c+2).toString(16)}`:"";if(m==="net"){let y=d++;return` \\
  -netdev "tap,id=n${c},ifname=\${TAP${y}:-tap${y}},script=no,downscript=no" -device ${t},netdev=n${c}${u}`}let f=s.find(({device:y})=>y===l),p=f?f.shell.slice(1,-1):"/dev/null";return` \\
  -drive "id=d${c},file=${p},if=none,format=raw,readonly=on" -device ${n},drive=d${c}${u}`}).join("")}var Ae=e=>({name:e,type:"net"}),Te=({device:e})=>({name:e,type:"block"});function Me(e){let{kernel:t,volumes:n,args:r}=e,o=n.map(({device:s,shell:i})=>`# volume for ${s}: ${i.replaceAll('"',"")}
`).join("");return`${_(e,"as a host program")}
# A unix kernel finds its volumes as its own arguments say.
${o}cp -f "$release/${t.path}" "\${TMPDIR:-/tmp}/${e.name}.$$"
chmod 0700 "\${TMPDIR:-/tmp}/${e.name}.$$"
exec "\${TMPDIR:-/tmp}/${e.name}.$$"${n.map(({shell:s})=>` ${s}`).join("")}${se(r)}
`}function ne({name:e,kernel:t,kernelFile:n,memory:r,args:o,volumes:s}){let i=s.map(({file:a},d)=>`"format=raw, vdev=xvd${le(d)}, access=ro, target=${D(a)}"`);return`# xl configuration for ${e} (${t.target}).
name     = "${e}"
type     = "${t.target==="pv"?"pv":"pvh"}"
kernel   = "${D(n)}"
cmdline  = "${D(o.join(" "))}"
memory   = ${r}
vcpus    = 1
on_crash = "destroy"
disk     = [ ${i.join(`,
             `)} ]
vif      = [ "bridge=xenbr0" ]
`}var le=e=>String.fromCharCode(98+e),D=e=>e.replaceAll("\\","\\\\").replaceAll('"','\\"');function Se({name:e,kernel:t,kernelFile:n,memory:r,args:o,volumes:s}){let i=l=>`<address type='pci' domain='0x0000' bus='0x00' slot='0x${(l+3).toString(16).padStart(2,"0")}' function='0x0'/>`,a=0,d=t.devices.map((l,m)=>{if(l.type==="net")return`    <interface type='bridge'>
      <source bridge='br0'/>
      <model type='virtio-transitional'/>
      ${i(m)}
    </interface>
`;let c=s.find(f=>f.device===l.name),u=`vd${String.fromCharCode(97+a++)}`;return`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='${$(c?.file??"")}'/>
      <target dev='${u}' bus='virtio'/>
      <readonly/>
      ${i(m)}
    </disk>
`});return`<domain type='kvm'>
  <name>${e}</name>
  <memory unit='MiB'>${r}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${$(n)}</kernel>
    <cmdline>${$(o.join(" "))}</cmdline>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
${d.join("")}    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
`}function _e({name:e,kernelFile:t,memory:n,args:r,volumes:o}){let s=o.map(({file:i},a)=>`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${$(i)}'/>
      <target dev='xvd${le(a)}' bus='xen'/>
      <readonly/>
    </disk>
`);return`<domain type='xen'>
  <name>${e}</name>
  <memory unit='MiB'>${n}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpvh'>xenpvh</type>
    <kernel>${$(t)}</kernel>
    <cmdline>${$(r.join(" "))}</cmdline>
  </os>
  <devices>
${s.join("")}    <interface type='bridge'><source bridge='xenbr0'/></interface>
    <console type='pty'><target type='xen' port='0'/></console>
  </devices>
</domain>
`}function Ie({name:e,kernelFile:t,memory:n,args:r,volumes:o}){return`${JSON.stringify({"boot-source":{kernel_image_path:t,boot_args:[e,...r].join(" ")},drives:o.map(({name:s,file:i})=>({drive_id:s,path_on_host:i,is_root_device:!1,is_read_only:!0})),"network-interfaces":[{iface_id:"eth0",host_dev_name:"tap0"}],"machine-config":{vcpu_count:1,mem_size_mib:n}},null,2)}
`}async function de(e,t){let n=new Map;for(let u of e.volumes)n.set(u.name,t.layout==="image"?De(u,t):Le(u));let r=e.kernels.map(({file:u,size:f,id:p})=>({path:`kernels/${Fe.basename(u)}`,id:p,content:{file:u,offset:0,size:f}})),o={...e.manifest,volumes:e.manifest.volumes.map(u=>g(u)?{...u,...n.get(u.name)?.fields}:u)},s=A("SHA256SUMS",Ce(o)),i=re(o).map(({path:u,text:f})=>A(u,f)),a=[s,...i],d=Oe({...o,files:a.map(({path:u,content:f})=>({path:u,sha256:O(f.bytes)}))},t.sequence),l=K(d),m=t.sign?[A("manifest.json.sig",await t.sign(l))]:[],c=[...n.values()].flatMap(({files:u})=>u);return{manifest:d,files:[A("manifest.json",l),...m,...a,...r,...c]}}function Oe(e,t){let{type:n,version:r,name:o,sequence:s,...i}=e;return{type:n,version:r,name:o,sequence:t,...i}}function A(e,t){let n=Buffer.from(t);return{path:e,id:M(n),content:{bytes:n}}}function De(e,{inParts:t}){let{name:n,file:r,size:o}=e,s=A(`volumes/${n}.index`,Z(e.index)),i={path:s.path,sha256:O(s.content.bytes)},a=`volumes/${n}.img`;if(o<=52428800&&!t(n)){let{id:l}=S(r);return{fields:{layout:"image",path:a,index:i},files:[{path:a,id:l,content:{file:r,offset:0,size:o}},s]}}let d=X(e.index,e.format.layout(e.index,{size:o}).starts,o).map((l,m)=>({...S(r,l),path:`${a}.parts/${me(m)}`,content:{file:r,...l}}));return{fields:{layout:"image",parts:d.map(l=>({path:l.path,size:l.size,sha256:l.sha256})),index:i},files:[...d.map(({path:l,id:m,content:c})=>({path:l,id:m,content:c})),s]}}var me=e=>String(e).padStart(4,"0");function Le(e){var i=[];try{let{name:t,file:n}=e;let r=P(i,G(n));let o=[];let s=[];for(let{path:m,size:c,offset:u,id:f}of Be(e,r))if(m.split("/").some(p=>p.toLowerCase()===".git"))o.push(`${m}: git stores no path with a ".git" segment`);else if(c<=52428800)s.push({path:`volumes/${t}/${m}`,id:f,content:{file:n,offset:u,size:c}});else for(let p=0;p*33554432<c;p++){let y={offset:u+p*33554432,size:Math.min(33554432,c-p*33554432)},w=`volumes/${t}.parts/${m}/${me(p)}`;s.push({path:w,id:S(n,y).id,content:{file:n,...y}})}if(o.length>0)throw new h("SITE_UNREPRESENTABLE",`layout "files" cannot hold volume ${t}`,{problems:o,hint:"leave these out of the site, or use layout: image"});return{fields:{layout:"files",path:`volumes/${t}`},files:s}}catch(a){var d=a,l=!0}finally{k(i,d,l)}}function*Be(e,t){let n=0;for(let r of e.format.list(t)){let o=e.index[n++];if(o?.path!==r.path||o.size!==r.size)throw new h("FILE_CHANGED",`${e.file} changed since its index was made (at ${r.path})`);yield{...r,id:o.id}}}function Ce(e){let t=e.kernels.map(({path:n,sha256:r})=>`${r}  ${n}
`);for(let n of e.volumes.filter(g))if(n.layout==="image")if(n.parts)for(let r of n.parts)t.push(`${r.sha256}  ${r.path}
`);else t.push(`${n.sha256}  ${n.path}
`);return t.join("")}function ue(e){return`# ${e}: releases

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
`}import{closeSync as je,openSync as Ge}from"node:fs";import Ne from"node:path";var fe="8m",b={name:"unikernel-deploy",email:"unikernel-deploy@deploy.invalid"},v="origin";async function B(e){let t=j("unikernel-deploy-git");try{let n=z(t.path,e.env,e.secrets);return await n.run(["init","--quiet","--bare","--template=",t.path]),await qe(n,e.url),new L(n,e.url,()=>t[Symbol.dispose]())}catch(n){throw t[Symbol.dispose](),n}}async function qe(e,t){let n={[`remote.${v}.url`]:t,[`remote.${v}.promisor`]:"true",[`remote.${v}.partialclonefilter`]:"blob:none","pack.windowMemory":"100m","core.deltaBaseCacheLimit":"32m"};for(let[r,o]of Object.entries(n))await e.run(["config",r,o])}var L=class{#e;#t;#n;constructor(t,n,r){this.#e=t,this.#t=n,this.#n=r}[Symbol.dispose](){this.#n()}async refs(t,n){let r=[`refs/heads/${t}`,`refs/tags/${n}`],o=await this.#e.try(["ls-remote","--quiet",v,...r]);if(o.code!==0)throw E("cannot read",this.#t,o.stderr);let s=new Map;for(let i of o.stdout.toString("utf8").split(`
`)){let[a,d]=i.split("	");a&&d&&s.set(d,a)}return{branch:s.get(r[0]),tag:s.get(r[1])}}async fetchBranch(t){await this.#r(t);let n=await this.#e.run(["show","-s","--format=%at %ct",t]);return{commit:t,time:Math.max(...n.split(" ").map(Number)),tree:await H(this.#e,t)}}async fetchCommit(t){return await this.#r(t),this.#e.run(["rev-parse","--verify","FETCH_HEAD^{commit}"])}async#r(t){let n=["--quiet","--depth=1","--filter=blob:none","--no-tags"],r=await this.#e.try(["fetch",...n,v,t]);if(r.code!==0)throw E("cannot fetch from",this.#t,r.stderr)}async readFile(t,n){let r=await this.#e.run(["ls-tree","--full-tree",t,"--",n]),o=/^100(?:644|755) blob ([0-9a-f]+)\t/.exec(r)?.[1];if(o===void 0)return;let s=await this.#e.try(["cat-file","blob",o]);if(s.code!==0)throw E(`cannot read ${n} from`,this.#t,s.stderr);return s.stdout}async writeBlobs(t){if(t.length===0)return;let n=["fast-import","--quiet","--done",`--big-file-threshold=${fe}`],r=await this.#e.try(n,{input:He(t)});if(r.code!==0)throw new h("PROGRAM_FAILED",`git fast-import: ${r.stderr.trim().split(`
`)[0]??""}`)}async writeTree(t,n,r){let o={GIT_INDEX_FILE:Ne.join(this.#e.directory,"deploy-index")};await this.#e.run(t?["read-tree",t.commit]:["read-tree","--empty"],{env:o});let s=[...n.map(i=>`0 ${"0".repeat(40)}	${i}\0`),...r.map(({path:i,id:a})=>`100644 ${a}	${i}\0`)];return await this.#e.run(["update-index","-z","--index-info"],{env:o,input:s}),this.#e.run(["write-tree","--missing-ok"],{env:o})}async commit(t,n,r,o){let s=n===void 0?[]:["-p",n];return this.#e.run(["commit-tree",t,...s,"-F","-"],{input:r,env:We(o)})}async tag(t,n,r,o){let s=`${b.name} <${b.email}> ${o} +0000`,i=`object ${n}
type commit
tag ${t}
tagger ${s}

${r}`;return this.#e.run(["mktag"],{input:i})}async push(t){let{branch:n,commit:r,tag:o,tagObject:s,expected:i}=t,a=[{name:`refs/heads/${n}`,id:r,old:i.branch},{name:`refs/tags/${o}`,id:s,old:i.tag}],d=a.map(({name:u,old:f})=>`--force-with-lease=${u}:${f??""}`),l=t.deltas?["-c","pack.window=1"]:["-c",`core.bigFileThreshold=${fe}`],m=await this.#e.try([...l,"push","--porcelain","--progress","--atomic",...d,v,...a.map(({name:u,id:f})=>`${f}:${u}`)],{onStderr:u=>t.onProgress(u)});if(m.code===0)return{kind:"pushed",sent:ze(m.stderr)};let c=m.stdout.toString("utf8")+m.stderr;if(Y(c))return{kind:"raced"};throw E("cannot push to",this.#t,c)}};function We(e){let t=`@${e} +0000`;return{GIT_AUTHOR_NAME:b.name,GIT_AUTHOR_EMAIL:b.email,GIT_AUTHOR_DATE:t,GIT_COMMITTER_NAME:b.name,GIT_COMMITTER_EMAIL:b.email,GIT_COMMITTER_DATE:t}}function ze(e){return/Writing objects: 100% .*?, ([0-9.]+ (?:bytes|[KMG]iB))/.exec(e)?.[1]}var pe=1024*1024;async function*He(e){let t=new Set,n=[],r=0;for(let{id:o,content:s}of e){if(t.has(o))continue;t.add(o);let i="bytes"in s?s.bytes.length:s.size;n.push(Buffer.from(`blob
data ${i}
`));for(let a of Ve(s))n.push(a),r+=a.length,!(r<pe)&&(yield Buffer.concat(n),n=[],r=0);n.push(Ue)}yield Buffer.concat([...n,Buffer.from(`done
`)])}var Ue=Buffer.from(`
`);function*Ve(e){if("bytes"in e){yield e.bytes;return}let t=Ge(e.file,"r");try{for(let n=0;n<e.size;){let r=Buffer.allocUnsafe(Math.min(pe,e.size-n)),o=N(t,r,r.length,e.offset+n);if(o<r.length)throw q(`cannot read ${e.file}`,new Error("it ended early"));yield r,n+=o}}finally{je(t)}}var he=20;function Lt(e){return{async deployed(){var r=[];try{let t=P(r,await B(e.access));let{branch:n}=await t.refs(e.branch,"none");if(n===void 0)return;return ge(t,await t.fetchBranch(n),e)}catch(o){var s=o,i=!0}finally{k(r,s,i)}},async publish(t,n){var o=[];try{let r=P(o,await B(e.access));for(let d=1;;d++){let l=await Ze(r,t,e,n);if(l)return l;if(d===he)throw new h("PUSH_REJECTED",`${he} pushes in a row came second to another one`,{hint:"is something else pushing to this branch all the time? Run again when it has stopped"});e.log.info(`another push landed first; trying again (${d})`),await Ke(e.random()*Math.min(5e3,100*2**d))}}catch(s){var i=s,a=!0}finally{k(o,i,a)}}}}async function Ze(e,t,n,r){let{log:o}=n,s=`source/${t.manifest.name}/${t.manifest.source.commit}`,i=await e.refs(n.branch,s),a=i.branch===void 0?void 0:await e.fetchBranch(i.branch),d=a&&await ge(e,a,n);Ye(t,a,d,n);let l=await Je(e,t,i,d,n,r);if(l)return{...l,tag:s,changed:0,removed:0,bytes:0,sent:void 0};let m=await de(t,{layout:r.layout,sequence:(d?.sequence??0)+1,inParts:R=>a?.tree.has(`${T(n)}volumes/${R}.img.parts/0000`)===!0,sign:r.sign}),c=Qe(m,a,d,n),u={outcome:"planned",manifest:m.manifest,revision:void 0,tag:s,changed:c.added.length,removed:c.removed.length,bytes:c.added.reduce((R,{content:x})=>R+("bytes"in x?x.bytes.length:x.size),0),sent:void 0};if(r.dryRun)return u;o.progress(`packing ${c.added.length} files`),await e.writeBlobs(c.newBlobs);let f=await e.writeTree(a,c.removed,c.added),p=Math.max(r.now,a?.time??0),y=ot(m.manifest),w=await e.commit(f,a?.commit,y,p),$e=await e.tag(s,w,y,p),be=R=>o.progress(R.split(/[\r\n]/).findLast(x=>x.trim()!=="")??""),C=await e.push({branch:n.branch,commit:w,tag:s,tagObject:$e,expected:i,deltas:a!==void 0,onProgress:be});return C.kind==="raced"?void 0:{...u,outcome:"deployed",revision:w,sent:C.sent}}var T=({path:e})=>e===""?"":`${e}/`;async function ge(e,t,n){let r=`${T(n)}manifest.json`;if(!t.tree.has(r))return;let o=await e.readFile(t.commit,r);try{return o&&F(o,r)}catch(s){throw s instanceof h?new h("REPOSITORY_FOREIGN",`${n.access.url}: ${r} is not a release manifest of ours`,{problems:s.problems,hint:"deploy to an empty branch, or below a directory of its own (--path)",cause:s}):s}}function Ye(e,t,n,r){let o=r.path===""?"the root":r.path;if(n&&n.name!==e.manifest.name)throw new h("REPOSITORY_FOREIGN",`${o} of ${r.access.url} holds the releases of "${n.name}", not of "${e.manifest.name}"`,{hint:"give each site a directory of its own (--path), or a repository of its own"});for(let s of["kernels","volumes","launch"])if(t?.tree.has(T(r)+s))throw new h("REPOSITORY_FOREIGN",`${o} of ${r.access.url} has a file called ${s}`,{hint:"a release needs a directory of that name: remove the file, or deploy below another directory (--path)"})}async function Je(e,t,n,r,o,s){if(s.force)return;let{manifest:i}=t;if(n.tag!==void 0){let a=`refs/tags/source/${i.name}/${i.source.commit}`,d=await e.fetchCommit(a),l=await e.readFile(d,`${T(o)}manifest.json`);if(l){let m=F(l,`${a}:manifest.json`);return Xe(i,m),{outcome:"unchanged",manifest:m,revision:d}}}if(r&&await s.isAncestor(i.source.commit,r.source.commit)===!0)return{outcome:"superseded",manifest:r,revision:n.branch}}function Xe(e,t){let n=new Map(ye(t)),r=ye(e).flatMap(([o,s])=>{let i=n.get(o);return n.delete(o),i===s?[]:[`${o}: sha256 ${s} now, ${i??"not there"} as deployed`]});for(let o of n.keys())r.push(`${o}: deployed, and not in this build`);if(r.length!==0)throw new h("RELEASE_CONFLICT",`source commit ${e.source.commit} was deployed with other bytes`,{problems:r,hint:"the build is not reproducible: find out why, or deploy this build over it with --force"})}function ye(e){return[...e.kernels.map(({path:t,sha256:n})=>[t,n]),...e.volumes.filter(g).map(({name:t,sha256:n})=>[`volumes/${t}`,n])]}function Qe(e,t,n,r){let o=T(r),s=e.files.map(c=>({...c,path:o+c.path})),i=`${o}README.md`;t?.tree.has(i)||s.push(tt(i,e.manifest.name));let a=s.filter(({path:c,id:u})=>!et(t?.tree.get(c),u)),d=new Set(s.map(({path:c})=>c)),l=[...t?.tree.keys()??[]].filter(c=>!d.has(c)&&nt(c,o,n)),m=new Set([...t?.tree.values()??[]].map(({id:c})=>c));return{added:a,removed:l,newBlobs:a.filter(({id:c})=>!m.has(c))}}var et=(e,t)=>e?.id===t&&e.mode==="100644";function tt(e,t){let n=Buffer.from(ue(t));return{path:e,id:M(n),content:{bytes:n}}}function nt(e,t,n){if(!n||!e.startsWith(t))return!1;let r=e.slice(t.length);return r==="manifest.json.sig"||n.files?.some(o=>o.path===r)||n.kernels.some(o=>o.path===r)?!0:n.volumes.filter(g).some(({name:o})=>{let s=`volumes/${o}`;return r===`${s}.img`||r===`${s}.index`||rt.some(i=>r.startsWith(s+i))})}var rt=["/",".parts/",".img.parts/"];function ot(e){let{name:t,source:n,sequence:r}=e,o=V(n.repository,t);return`Deploy ${t} from ${o}@${n.commit.slice(0,12)}

Source-Commit: ${n.commit}
Release-Sequence: ${r}
`}function qt({layout:e,force:t,dryRun:n,signingKey:r,directory:o,env:s}){let i=r===void 0?void 0:U(r);return{layout:e,force:t,dryRun:n,now:Math.floor(Date.now()/1e3),sign:i===void 0?void 0:a=>J(a,i),async isAncestor(a,d){if(a===d)return;let l=["git","-c","safe.directory=*","-C",o,"merge-base","--is-ancestor",a,d],{code:m}=await W(l,{env:s});return m===0?!0:m===1?!1:void 0}}}export{Lt as a,qt as b};
