/** The README that the first push leaves in a deployment repository. Pure. */
export function deploymentReadme(name: string): string {
  return `# ${name}: releases

Written by unikernel-deploy. Each commit here is one release of ${name}: a unikernel, its data volumes and a manifest that
names the source commit and the sha256 of every file. The newest release is the tip of this branch; the release of a
source commit is the tag \`source/${name}/<commit>\`.

- \`manifest.json\`: what the release is; \`manifest.json.sig\`: its signature, where one is made
- \`SHA256SUMS\`: digests of kernels and images in the form that \`sha256sum -c\` reads
- \`kernels/\`: one kernel a target
- \`volumes/\`: block images (\`NAME.img\`, or \`NAME.img.parts/\`: join the parts in order), or the site's own files (\`NAME/\`)
- \`launch/\`: commands and configurations to start it by hand

A host follows this repository with

    unikernel-deploy host sync --config host.yml

where host.yml says

    name: ${name}
    repository: <the address of this repository>
    target: <hvt, spt, virtio, xen, …>
    state: /var/lib/unikernel-deploy/${name}

Without that program: \`git clone --depth 1\`, \`sha256sum -c SHA256SUMS\`, join parts with \`cat\`, and start it as a file in
\`launch/\` shows. Attach copies of the images, never the files in the clone: most tenders open them for writing.

Files that unikernel-deploy did not write are left alone, this one too.
`;
}
