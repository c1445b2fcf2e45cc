import type { Options } from "./options.js";
export async function runProfile(_o: Options, _say: (t: string) => void): Promise<string> { throw new Error("later"); }
