import{createRequire as requireFromModule}from"node:module";const require=requireFromModule(import.meta.url);
import{a as Q,b as ee,c as te,d as ne,e as L,f as S,g as P,h as re,i as oe}from"./chunk-H6XJZ42V.js";import{a as q,b as Y,c as X}from"./chunk-BZNDELCJ.js";import"./chunk-DNBWEV3F.js";import{c as _,f as Z}from"./chunk-PT5CTOIV.js";import{b as j,c as G,e as V,f as M}from"./chunk-DTDFS3FM.js";import"./chunk-XE3JAHYO.js";import{d as J,e as O}from"./chunk-PILNAFGJ.js";import"./chunk-W3T5CYKS.js";import{A as b}from"./chunk-4ZX33WZE.js";import"./chunk-HKGG5QVP.js";import{a as U,e as W,g as z,i as H}from"./chunk-EZFJXPY5.js";import{a as K}from"./chunk-5HEC2DUH.js";import{a as h}from"./chunk-NB5HXV7F.js";import{d as g,e as $}from"./chunk-5KN5R3KL.js";import{setTimeout as rt}from"node:timers/promises";import qe from"node:path";function se(e,t,n){let r=[],o=0,s=0,i=a=>{r.push({offset:o,size:a-o}),o=a};for(;n-o>33554432;){for(;s<t.length&&t[s]<=o;)s++;let a=Me(e,t,s,o);i(a!==void 0?a:o+33554432)}return i(n),r}function Me(e,t,n,r){let o,s=Number.POSITIVE_INFINITY,i;for(let a=n;a<t.length;a++){let d=t[a];if(d-r>33554432)break;if(i=d,d-r<16777216)continue;let l=_e(e[a].path);l>=s||(s=l,o=d)}return o??i}function _e(e){let t=2166136261;for(let n=0;n<e.length;n++)t=Math.imul(t^e.charCodeAt(n),16777619);return t>>>0}function de(e){return e.kernels.flatMap(t=>{let n=Ie(e,t),r=`launch/${t.path.slice(8)}`;return(Se[t.target??""]??[]).map(([o,s])=>({path:`${r}.${o}`,text:s(n)}))})}var Se={hvt:[["sh",ie],["service",le]],spt:[["sh",ie],["service",le]],virtio:[["sh",Oe],["xml",Ne]],pvh:[["sh",Le]],xen:[["xl",ce],["xml",je]],pv:[["xl",ce]],"unikraft-fc":[["json",Ge]],unix:[["sh",Be]]};function Ie(e,t){let n=`/var/lib/unikernel-deploy/${e.name}`,r=e.volumes.map(({name:o,device:s,secret:i})=>({name:o,device:s,secret:i===!0,shell:i?`"$secrets/${o}.img"`:`"$release/volumes/${o}.img"`,file:i?`/run/unikernel-deploy/${e.name}/${o}.img`:`${n}/current/volumes/${o}.img`}));return{name:e.name,kernel:t,kernelFile:`${n}/current/${t.path}`,memory:e.launch.memory,args:e.launch.args,volumes:Fe(r,t),nets:t.devices.filter(({type:o})=>o==="net").map(({name:o})=>o),state:n}}function Fe(e,t){let n=t.devices.map(({name:o})=>o),r=({device:o})=>n.includes(o)?n.indexOf(o):n.length;return e.toSorted((o,s)=>r(o)-r(s))}function me(e){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(e)?e:`'${e.replaceAll("'","'\\''")}'`}var v=e=>e.replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll("'","&apos;").replaceAll('"',"&quot;"),ue=e=>e.map(t=>` ${me(t)}`).join("");function I({name:e,kernel:t,state:n,volumes:r},o){let s=r.some(({secret:i})=>i)?`# Secret volumes are made on this host (unikernel-deploy image create --secret); they are in no repository.
secrets=\${SECRETS:-/run/unikernel-deploy/${e}}
`:"";return`#!/bin/sh
# Starts ${e} (${t.target}, ${t.arch}) ${o}. Copy it and adapt it; the next release brings a new one.
set -eu
release=\${RELEASE:-${n}/current}
${s}`}function ie(e){let{kernel:t,memory:n,volumes:r,nets:o,args:s}=e,i=r.filter(({secret:l})=>!l).map(({name:l,shell:m})=>`${ae(l)}=$(losetup -r -f --show ${m})
`).join(""),a=r.map(({name:l,device:m,shell:c,secret:u})=>` \\
  --block:${m}=${u?c:`"$${ae(l)}"`}`),d=o.map((l,m)=>` \\
  --net:${l}="\${TAP${m}:-tap${m}}"`);return`${I(e,`with solo5-${t.target}`)}
# Needs root (or group disk) for the loop devices, and the tap devices.
${i}exec solo5-${t.target} --mem=${n}${d.join("")}${a.join("")} \\
  -- "$release/${t.path}"${ue(s)}
`}var ae=e=>`volume_${e.replaceAll("-","_")}`;function le({name:e,kernel:t,state:n}){return`# systemd unit for ${e} (${t.target}); copy to /etc/systemd/system/${e}.service.
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
`}function Oe(e){let{kernel:t,memory:n,args:r}=e;return`${I(e,"with qemu")}
# The guest binds devices by PCI slot, in the order of its application manifest: the slots below are that order.
exec qemu-system-x86_64 -machine pc,acpi=off -accel kvm -accel tcg -cpu Westmere -m ${n} -nodefaults \\
  -display none -serial stdio -no-reboot -device isa-debug-exit${pe(e,"virtio-net","virtio-blk",!0)} \\
  -kernel "$release/${t.path}"${fe(r)}
`}function Le(e){let{kernel:t,memory:n,args:r}=e;return`${I(e,"with qemu's microvm")}
exec qemu-system-x86_64 -M microvm,acpi=off -accel kvm -accel tcg -m ${n} -nodefaults -no-user-config \\
  -display none -serial stdio -no-reboot -global virtio-mmio.force-legacy=false${pe(e,"virtio-net-device","virtio-blk-device",!1)} \\
  -kernel "$release/${t.path}"${fe(r)}
`}function fe(e){return e.length===0?"":` \\
  -append ${me(e.join(" ").replaceAll(",",",,"))}`}function pe(e,t,n,r){let{kernel:o,volumes:s,nets:i}=e,a=o.devices.length>0?o.devices:[...i.map(De),...s.map(Ce)],d=0;return a.map(({name:l,type:m},c)=>{let u=r?`,addr=0x${(c+2).toString(16)}`:"";if(m==="net"){let y=d++;return` \\
  -netdev "tap,id=n${c},ifname=\${TAP${y}:-tap${y}},script=no,downscript=no" -device ${t},netdev=n${c}${u}`}let f=s.find(({device:y})=>y===l),p=f?f.shell.slice(1,-1):"/dev/null";return` \\
  -drive "id=d${c},file=${p},if=none,format=raw,readonly=on" -device ${n},drive=d${c}${u}`}).join("")}var De=e=>({name:e,type:"net"}),Ce=({device:e})=>({name:e,type:"block"});function Be(e){let{kernel:t,volumes:n,args:r}=e,o=n.map(({device:s,shell:i})=>`# volume for ${s}: ${i.replaceAll('"',"")}
`).join("");return`${I(e,"as a host program")}
# A unix kernel finds its volumes as its own arguments say.
${o}cp -f "$release/${t.path}" "\${TMPDIR:-/tmp}/${e.name}.$$"
chmod 0700 "\${TMPDIR:-/tmp}/${e.name}.$$"
exec "\${TMPDIR:-/tmp}/${e.name}.$$"${n.map(({shell:s})=>` ${s}`).join("")}${ue(r)}
`}function ce({name:e,kernel:t,kernelFile:n,memory:r,args:o,volumes:s}){let i=s.map(({file:a},d)=>`"format=raw, vdev=xvd${he(d)}, access=ro, target=${D(a)}"`);return`# xl configuration for ${e} (${t.target}).
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
`}var he=e=>String.fromCharCode(98+e),D=e=>e.replaceAll("\\","\\\\").replaceAll('"','\\"');function Ne({name:e,kernel:t,kernelFile:n,memory:r,args:o,volumes:s}){let i=l=>`<address type='pci' domain='0x0000' bus='0x00' slot='0x${(l+3).toString(16).padStart(2,"0")}' function='0x0'/>`,a=0,d=t.devices.map((l,m)=>{if(l.type==="net")return`    <interface type='bridge'>
      <source bridge='br0'/>
      <model type='virtio-transitional'/>
      ${i(m)}
    </interface>
`;let c=s.find(f=>f.device===l.name),u=`vd${String.fromCharCode(97+a++)}`;return`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='${v(c?.file??"")}'/>
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
    <kernel>${v(n)}</kernel>
    <cmdline>${v(o.join(" "))}</cmdline>
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
`}function je({name:e,kernelFile:t,memory:n,args:r,volumes:o}){let s=o.map(({file:i},a)=>`    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${v(i)}'/>
      <target dev='xvd${he(a)}' bus='xen'/>
      <readonly/>
    </disk>
`);return`<domain type='xen'>
  <name>${e}</name>
  <memory unit='MiB'>${n}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpvh'>xenpvh</type>
    <kernel>${v(t)}</kernel>
    <cmdline>${v(r.join(" "))}</cmdline>
  </os>
  <devices>
${s.join("")}    <interface type='bridge'><source bridge='xenbr0'/></interface>
    <console type='pty'><target type='xen' port='0'/></console>
  </devices>
</domain>
`}function Ge({name:e,kernelFile:t,memory:n,args:r,volumes:o}){return`${JSON.stringify({"boot-source":{kernel_image_path:t,boot_args:[e,...r].join(" ")},drives:o.map(({name:s,file:i})=>({drive_id:s,path_on_host:i,is_root_device:!1,is_read_only:!0})),"network-interfaces":[{iface_id:"eth0",host_dev_name:"tap0"}],"machine-config":{vcpu_count:1,mem_size_mib:n}},null,2)}
`}async function ge(e,t){let n=new Map;for(let u of e.volumes)n.set(u.name,t.layout==="image"?We(u,t):ze(u));let r=e.kernels.map(({file:u,size:f,id:p})=>({path:`kernels/${qe.basename(u)}`,id:p,content:{file:u,offset:0,size:f}})),o={...e.manifest,volumes:e.manifest.volumes.map(u=>b(u)?{...u,...n.get(u.name)?.fields}:u)},s=A("SHA256SUMS",Ve(o)),i=de(o).map(({path:u,text:f})=>A(u,f)),a=[s,...i],d=Ue({...o,files:a.map(({path:u,content:f})=>({path:u,sha256:L(f.bytes)}))},t.sequence),l=J(d),m=t.sign?[A("manifest.json.sig",await t.sign(l))]:[],c=[...n.values()].flatMap(({files:u})=>u);return{manifest:d,files:[A("manifest.json",l),...m,...a,...r,...c]}}function Ue(e,t){let{type:n,version:r,name:o,sequence:s,...i}=e;return{type:n,version:r,name:o,sequence:t,...i}}function A(e,t){let n=Buffer.from(t);return{path:e,id:S(n),content:{bytes:n}}}function We(e,{inParts:t}){let{name:n,file:r,size:o}=e,s=A(`volumes/${n}.index`,Z(e.index)),i={path:s.path,sha256:L(s.content.bytes)},a=`volumes/${n}.img`;if(o<=52428800&&!t(n)){let{id:l}=_(r);return{fields:{layout:"image",path:a,index:i},files:[{path:a,id:l,content:{file:r,offset:0,size:o}},s]}}let d=se(e.index,e.format.layout(e.index,{size:o}).starts,o).map((l,m)=>({..._(r,l),path:`${a}.parts/${$e(m)}`,content:{file:r,...l}}));return{fields:{layout:"image",parts:d.map(l=>({path:l.path,size:l.size,sha256:l.sha256})),index:i},files:[...d.map(({path:l,id:m,content:c})=>({path:l,id:m,content:c})),s]}}var $e=e=>String(e).padStart(4,"0");function ze(e){var i=[];try{let{name:t,file:n}=e;let r=g(i,W(n));let o=[];let s=[];for(let{path:m,size:c,offset:u,id:f}of He(e,r))if(m.split("/").some(p=>p.toLowerCase()===".git"))o.push(`${m}: git stores no path with a ".git" segment`);else if(c<=52428800)s.push({path:`volumes/${t}/${m}`,id:f,content:{file:n,offset:u,size:c}});else for(let p=0;p*33554432<c;p++){let y={offset:u+p*33554432,size:Math.min(33554432,c-p*33554432)},x=`volumes/${t}.parts/${m}/${$e(p)}`;s.push({path:x,id:_(n,y).id,content:{file:n,...y}})}if(o.length>0)throw new h("SITE_UNREPRESENTABLE",`layout "files" cannot hold volume ${t}`,{problems:o,hint:"leave these out of the site, or use layout: image"});return{fields:{layout:"files",path:`volumes/${t}`},files:s}}catch(a){var d=a,l=!0}finally{$(i,d,l)}}function*He(e,t){let n=0;for(let r of e.format.list(t)){let o=e.index[n++];if(o?.path!==r.path||o.size!==r.size)throw new h("FILE_CHANGED",`${e.file} changed since its index was made (at ${r.path})`);yield{...r,id:o.id}}}function Ve(e){let t=e.kernels.map(({path:n,sha256:r})=>`${r}  ${n}
`);for(let n of e.volumes.filter(b))if(n.layout==="image")if(n.parts)for(let r of n.parts)t.push(`${r.sha256}  ${r.path}
`);else t.push(`${n.sha256}  ${n.path}
`);return t.join("")}function be(e){return`# ${e}: releases

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
`}import{closeSync as Ke,openSync as Ye}from"node:fs";import Ze from"node:path";var ve="8m",w={name:"unikernel-deploy",email:"unikernel-deploy@deploy.invalid"},R="origin";async function B(e){let t=U("unikernel-deploy-git");try{let n=Q(t.path,e.env,e.secrets);return await n.run(["init","--quiet","--bare","--template=",t.path]),await Je(n,e.url),new C(n,e.url,()=>t[Symbol.dispose]())}catch(n){throw t[Symbol.dispose](),n}}async function Je(e,t){let n={[`remote.${R}.url`]:t,[`remote.${R}.promisor`]:"true",[`remote.${R}.partialclonefilter`]:"blob:none","pack.windowMemory":"100m","core.deltaBaseCacheLimit":"32m"};for(let[r,o]of Object.entries(n))await e.run(["config",r,o])}var C=class{#e;#t;#n;constructor(t,n,r){this.#e=t,this.#t=n,this.#n=r}[Symbol.dispose](){this.#n()}async refs(t,n){let r=[`refs/heads/${t}`,`refs/tags/${n}`],o=await this.#e.try(["ls-remote","--quiet",R,...r]);if(o.code!==0)throw P("cannot read",this.#t,o.stderr);let s=new Map;for(let i of o.stdout.toString("utf8").split(`
`)){let[a,d]=i.split("	");a&&d&&s.set(d,a)}return{branch:s.get(r[0]),tag:s.get(r[1])}}async fetchBranch(t){await this.#r(t);let n=await this.#e.run(["show","-s","--format=%at %ct",t]);return{commit:t,time:Math.max(...n.split(" ").map(Number)),tree:await ee(this.#e,t)}}async fetchCommit(t){return await this.#r(t),this.#e.run(["rev-parse","--verify","FETCH_HEAD^{commit}"])}async#r(t){let n=["--quiet","--depth=1","--filter=blob:none","--no-tags"],r=await this.#e.try(["fetch",...n,R,t]);if(r.code!==0)throw P("cannot fetch from",this.#t,r.stderr)}async readFile(t,n){let r=await this.#e.run(["ls-tree","--full-tree",t,"--",n]),o=/^100(?:644|755) blob ([0-9a-f]+)\t/.exec(r)?.[1];if(o===void 0)return;let s=await this.#e.try(["cat-file","blob",o]);if(s.code!==0)throw P(`cannot read ${n} from`,this.#t,s.stderr);return s.stdout}async writeBlobs(t){if(t.length===0)return;let n=["fast-import","--quiet","--done",`--big-file-threshold=${ve}`],r=await this.#e.try(n,{input:et(t)});if(r.code!==0)throw new h("PROGRAM_FAILED",`git fast-import: ${r.stderr.trim().split(`
`)[0]??""}`)}async writeTree(t,n,r){let o={GIT_INDEX_FILE:Ze.join(this.#e.directory,"deploy-index")};await this.#e.run(t?["read-tree",t.commit]:["read-tree","--empty"],{env:o});let s=[...n.map(i=>`0 ${"0".repeat(40)}	${i}\0`),...r.map(({path:i,id:a})=>`100644 ${a}	${i}\0`)];return await this.#e.run(["update-index","-z","--index-info"],{env:o,input:s}),this.#e.run(["write-tree","--missing-ok"],{env:o})}async commit(t,n,r,o){let s=n===void 0?[]:["-p",n];return this.#e.run(["commit-tree",t,...s,"-F","-"],{input:r,env:Xe(o)})}async tag(t,n,r,o){let s=`${w.name} <${w.email}> ${o} +0000`,i=`object ${n}
type commit
tag ${t}
tagger ${s}

${r}`;return this.#e.run(["mktag"],{input:i})}async push(t){let{branch:n,commit:r,tag:o,tagObject:s,expected:i}=t,a=[{name:`refs/heads/${n}`,id:r,old:i.branch},{name:`refs/tags/${o}`,id:s,old:i.tag}],d=a.map(({name:u,old:f})=>`--force-with-lease=${u}:${f??""}`),l=t.deltas?["-c","pack.window=1"]:["-c",`core.bigFileThreshold=${ve}`],m=await this.#e.try([...l,"push","--porcelain","--progress","--atomic",...d,R,...a.map(({name:u,id:f})=>`${f}:${u}`)],{onStderr:u=>t.onProgress(u)});if(m.code===0)return{kind:"pushed",sent:Qe(m.stderr)};let c=m.stdout.toString("utf8")+m.stderr;if(re(c))return{kind:"raced"};throw P("cannot push to",this.#t,c)}};function Xe(e){let t=`@${e} +0000`;return{GIT_AUTHOR_NAME:w.name,GIT_AUTHOR_EMAIL:w.email,GIT_AUTHOR_DATE:t,GIT_COMMITTER_NAME:w.name,GIT_COMMITTER_EMAIL:w.email,GIT_COMMITTER_DATE:t}}function Qe(e){return/Writing objects: 100% .*?, ([0-9.]+ (?:bytes|[KMG]iB))/.exec(e)?.[1]}var we=1024*1024;async function*et(e){let t=new Set,n=[],r=0;for(let{id:o,content:s}of e){if(t.has(o))continue;t.add(o);let i="bytes"in s?s.bytes.length:s.size;n.push(Buffer.from(`blob
data ${i}
`));for(let a of nt(s))n.push(a),r+=a.length,!(r<we)&&(yield Buffer.concat(n),n=[],r=0);n.push(tt)}yield Buffer.concat([...n,Buffer.from(`done
`)])}var tt=Buffer.from(`
`);function*nt(e){if("bytes"in e){yield e.bytes;return}let t=Ye(e.file,"r");try{for(let n=0;n<e.size;){let r=Buffer.allocUnsafe(Math.min(we,e.size-n)),o=z(t,r,r.length,e.offset+n);if(o<r.length)throw H(`cannot read ${e.file}`,new Error("it ended early"));yield r,n+=o}}finally{Ke(t)}}var Re=20;function ke(e){return{async deployed(){var r=[];try{let t=g(r,await B(e.access));let{branch:n}=await t.refs(e.branch,"none");if(n===void 0)return;return Ee(t,await t.fetchBranch(n),e)}catch(o){var s=o,i=!0}finally{$(r,s,i)}},async publish(t,n){var o=[];try{let r=g(o,await B(e.access));for(let d=1;;d++){let l=await ot(r,t,e,n);if(l)return l;if(d===Re)throw new h("PUSH_REJECTED",`${Re} pushes in a row came second to another one`,{hint:"is something else pushing to this branch all the time? Run again when it has stopped"});e.log.info(`another push landed first; trying again (${d})`),await rt(e.random()*Math.min(5e3,100*2**d))}}catch(s){var i=s,a=!0}finally{$(o,i,a)}}}}async function ot(e,t,n,r){let{log:o}=n,s=`source/${t.manifest.name}/${t.manifest.source.commit}`,i=await e.refs(n.branch,s),a=i.branch===void 0?void 0:await e.fetchBranch(i.branch),d=a&&await Ee(e,a,n);st(t,a,d,n);let l=await it(e,t,i,d,n,r);if(l)return{...l,tag:s,changed:0,removed:0,bytes:0,sent:void 0};let m=await ge(t,{layout:r.layout,sequence:(d?.sequence??0)+1,inParts:k=>a?.tree.has(`${T(n)}volumes/${k}.img.parts/0000`)===!0,sign:r.sign}),c=lt(m,a,d,n),u={outcome:"planned",manifest:m.manifest,revision:void 0,tag:s,changed:c.added.length,removed:c.removed.length,bytes:c.added.reduce((k,{content:E})=>k+("bytes"in E?E.bytes.length:E.size),0),sent:void 0};if(r.dryRun)return u;o.progress(`packing ${c.added.length} files`),await e.writeBlobs(c.newBlobs);let f=await e.writeTree(a,c.removed,c.added),p=Math.max(r.now,a?.time??0),y=ft(m.manifest),x=await e.commit(f,a?.commit,y,p),Ae=await e.tag(s,x,y,p),Te=k=>o.progress(k.split(/[\r\n]/).findLast(E=>E.trim()!=="")??""),N=await e.push({branch:n.branch,commit:x,tag:s,tagObject:Ae,expected:i,deltas:a!==void 0,onProgress:Te});return N.kind==="raced"?void 0:{...u,outcome:"deployed",revision:x,sent:N.sent}}var T=({path:e})=>e===""?"":`${e}/`;async function Ee(e,t,n){let r=`${T(n)}manifest.json`;if(!t.tree.has(r))return;let o=await e.readFile(t.commit,r);try{return o&&O(o,r)}catch(s){throw s instanceof h?new h("REPOSITORY_FOREIGN",`${n.access.url}: ${r} is not a release manifest of ours`,{problems:s.problems,hint:"deploy to an empty branch, or below a directory of its own (--path)",cause:s}):s}}function st(e,t,n,r){let o=r.path===""?"the root":r.path;if(n&&n.name!==e.manifest.name)throw new h("REPOSITORY_FOREIGN",`${o} of ${r.access.url} holds the releases of "${n.name}", not of "${e.manifest.name}"`,{hint:"give each site a directory of its own (--path), or a repository of its own"});for(let s of["kernels","volumes","launch"])if(t?.tree.has(T(r)+s))throw new h("REPOSITORY_FOREIGN",`${o} of ${r.access.url} has a file called ${s}`,{hint:"a release needs a directory of that name: remove the file, or deploy below another directory (--path)"})}async function it(e,t,n,r,o,s){if(s.force)return;let{manifest:i}=t;if(n.tag!==void 0){let a=`refs/tags/source/${i.name}/${i.source.commit}`,d=await e.fetchCommit(a),l=await e.readFile(d,`${T(o)}manifest.json`);if(l){let m=O(l,`${a}:manifest.json`);return at(i,m),{outcome:"unchanged",manifest:m,revision:d}}}if(r&&await s.isAncestor(i.source.commit,r.source.commit)===!0)return{outcome:"superseded",manifest:r,revision:n.branch}}function at(e,t){let n=new Map(xe(t)),r=xe(e).flatMap(([o,s])=>{let i=n.get(o);return n.delete(o),i===s?[]:[`${o}: sha256 ${s} now, ${i??"not there"} as deployed`]});for(let o of n.keys())r.push(`${o}: deployed, and not in this build`);if(r.length!==0)throw new h("RELEASE_CONFLICT",`source commit ${e.source.commit} was deployed with other bytes`,{problems:r,hint:"the build is not reproducible: find out why, or deploy this build over it with --force"})}function xe(e){return[...e.kernels.map(({path:t,sha256:n})=>[t,n]),...e.volumes.filter(b).map(({name:t,sha256:n})=>[`volumes/${t}`,n])]}function lt(e,t,n,r){let o=T(r),s=e.files.map(c=>({...c,path:o+c.path})),i=`${o}README.md`;t?.tree.has(i)||s.push(dt(i,e.manifest.name));let a=s.filter(({path:c,id:u})=>!ct(t?.tree.get(c),u)),d=new Set(s.map(({path:c})=>c)),l=[...t?.tree.keys()??[]].filter(c=>!d.has(c)&&mt(c,o,n)),m=new Set([...t?.tree.values()??[]].map(({id:c})=>c));return{added:a,removed:l,newBlobs:a.filter(({id:c})=>!m.has(c))}}var ct=(e,t)=>e?.id===t&&e.mode==="100644";function dt(e,t){let n=Buffer.from(be(t));return{path:e,id:S(n),content:{bytes:n}}}function mt(e,t,n){if(!n||!e.startsWith(t))return!1;let r=e.slice(t.length);return r==="manifest.json.sig"||n.files?.some(o=>o.path===r)||n.kernels.some(o=>o.path===r)?!0:n.volumes.filter(b).some(({name:o})=>{let s=`volumes/${o}`;return r===`${s}.img`||r===`${s}.index`||ut.some(i=>r.startsWith(s+i))})}var ut=["/",".parts/",".img.parts/"];function ft(e){let{name:t,source:n,sequence:r}=e,o=Y(n.repository,t);return`Deploy ${t} from ${o}@${n.commit.slice(0,12)}

Source-Commit: ${n.commit}
Release-Sequence: ${r}
`}function Pe({layout:e,force:t,dryRun:n,signingKey:r,directory:o,env:s}){let i=r===void 0?void 0:ne(r);return{layout:e,force:t,dryRun:n,now:Math.floor(Date.now()/1e3),sign:i===void 0?void 0:a=>oe(a,i),async isAncestor(a,d){if(a===d)return;let l=["git","-c","safe.directory=*","-C",o,"merge-base","--is-ancestor",a,d],{code:m}=await K(l,{env:s});return m===0?!0:m===1?!1:void 0}}}var an={usage:"--release DIR --repository URL [--branch main] [--path DIR] [--layout image|files] \u2026",about:`
Verifies a release directory, repeats the checks that execute nothing, and pushes it to a git repository: one commit and
one annotated tag for its source commit, together or not at all. Nothing is checked out, and files that this program did
not write are left alone. Deploying the same source commit again does nothing.

A token for https is taken from the environment variable UNIKERNEL_DEPLOY_TOKEN or from the URL; it never stands in argv
of git or in a file.`,options:{release:{value:"DIR",required:!0,help:"release directory that build wrote"},repository:{value:"URL",help:"owner/name, https://\u2026, ssh://\u2026, git@host:\u2026, or a path"},branch:{value:"NAME",help:"branch of the deployment repository (default: main)"},path:{value:"DIR",help:"directory in it, where several sites share one repository"},layout:{value:"image|files",help:"store volumes as images or as the site's files (default: image)"},"ssh-key":{value:"FILE",help:"private key (deploy key) for ssh"},"known-hosts":{value:"FILE",help:"host keys for ssh servers other than github.com"},"signing-key":{value:"FILE",help:"private ed25519 key that signs the manifest"},config:{value:"FILE",help:"configuration (default: unikernel.yml where there is one)"},force:{help:"deploy even another build of a deployed commit, or an older commit; moves its tag"},"dry-run":{help:"do everything but the push"}},positionals:[],examples:["unikernel-deploy deploy --release release --repository mirage/www-deployment","unikernel-deploy deploy --release release --repository git@example.org:www.git --ssh-key key --known-hosts hosts"],async run(e,t){var u=[];try{let n={repository:e.text("repository"),branch:e.text("branch"),path:e.text("path"),layout:e.text("layout")};let r=G(V(e.text("config"),t.directory),n,j);let{repository:o,branch:s,path:i}=r.deploy;if(o===void 0)throw new h("USAGE","--repository: missing",{hint:"give --repository, or deploy.repository in unikernel.yml"});let a=g(u,te({...t,repository:o,token:t.env.UNIKERNEL_DEPLOY_TOKEN,sshKey:M(e.text("ssh-key"),t.directory),knownHosts:M(e.text("known-hosts"),t.directory)}));let d=Pe({...t,layout:r.deploy.layout,force:e.flag("force"),dryRun:e.flag("dry-run"),signingKey:M(e.text("signing-key"),t.directory)});let l=ke({access:a,branch:s,path:i,log:t.log,random:Math.random});let m={kind:"given",directory:e.text("release")};let c={release:m,deploy:!0,reason:"deploy deploys"};return q(await X(c,r,{...t,tools:{},destination:l,publish:d}),t)}catch(f){var p=f,y=!0}finally{$(u,p,y)}}};export{an as deploy};
