import { homedir } from "node:os";
import path from "node:path";

/** What the environment decides; everything else is an option of a command. */
export interface CliConfig {
  /** Where the credentials are, unless `--config-dir` says otherwise. */
  readonly configDirectory: string;
  readonly noColour: boolean;
}

export function loadConfig(env: NodeJS.ProcessEnv): CliConfig {
  const { XDG_CONFIG_HOME: base, NO_COLOR: noColour, TERM: terminal } = env;
  // The XDG specification: a relative path is invalid and has to be ignored.
  const home = base !== undefined && path.isAbsolute(base) ? base : path.join(homedir(), ".config");
  return {
    configDirectory: path.join(home, "drawbridge"),
    noColour: (noColour !== undefined && noColour !== "") || terminal === "dumb",
  };
}
