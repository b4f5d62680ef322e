import type { Command } from "./command.ts";
export const demo: Command = { usage: "", about: "", options: {}, positionals: [], examples: [], run: async () => 0 };
