/** Launch file for a kernel that is a host program. Pure. */
import { type Launch, scriptHead } from "./launch.ts";
import { quotedArgs } from "./quote.ts";

export function unixScript(launch: Launch): string {
  const { kernel, volumes, args } = launch;
  const names = volumes.map(({ device, shell }) => `# volume for ${device}: ${shell.replaceAll('"', "")}\n`).join("");
  return `${scriptHead(launch, "as a host program")}
# A unix kernel finds its volumes as its own arguments say.
${names}cp -f "$release/${kernel.path}" "\${TMPDIR:-/tmp}/${launch.name}.$$"
chmod 0700 "\${TMPDIR:-/tmp}/${launch.name}.$$"
exec "\${TMPDIR:-/tmp}/${launch.name}.$$"${volumes.map(({ shell }) => ` ${shell}`).join("")}${quotedArgs(args)}
`;
}
