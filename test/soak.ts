/**
 * Long runs of what the test suite does a few times, by name: `npm run soak -- kill 60`. Each prints a table, and exits 1
 * when a run was not as it should be.
 */
const SOAKS: Readonly<Record<string, (runs: number | undefined) => Promise<boolean>>> = {
  "deploy-big": async (gigabytes = 5) => (await import("./destination/heaving.ts")).soak(gigabytes),
  "deploy-faults": async (runs = 50) => (await import("./destination/faulting.ts")).soak(runs),
  "deploy-growth": async (deploys = 200) => (await import("./destination/growing.ts")).soak(deploys),
  "deploy-kill": async (kills = 300) => (await import("./destination/killing.ts")).soak(kills),
  "deploy-race": async (clones = 32) => (await import("./destination/racing.ts")).soak(clones),
  "deploy-secrets": async (runs = 100) => (await import("./destination/leaking.ts")).soak(runs),
  "host-cost": async (gigabytes = 4) => (await import("./host/measuring.ts")).soak(gigabytes),
  "host-kill": async (deploys = 30) => (await import("./host/killing.ts")).soak(deploys),
  "host-tamper": async (changes = 200) => (await import("./host/tampering.ts")).soak(changes),
  "oci-kill": async (deploys = 50) => (await import("./destination/oci-killing.ts")).soak(deploys),
  kill: async (runs = 60) => (await import("./tender/kill.ts")).soak(runs),
};

const [name = "", runs] = process.argv.slice(2);
const soak = SOAKS[name];
if (soak) process.exitCode = (await soak(runs === undefined ? undefined : Number(runs))) ? 0 : 1;
else {
  process.stderr.write(`usage: npm run soak -- ${Object.keys(SOAKS).join("|")} [RUNS]\n`);
  process.exitCode = 2;
}
