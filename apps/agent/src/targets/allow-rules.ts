import type { UrlRule } from "./url-rule.js";

/** What this host may run and reach. Empty means nothing. */
export interface AllowRules {
  readonly commands: readonly CommandRule[];
  readonly urls: readonly UrlRule[];
}

export interface CommandRule {
  /** Absolute. What is started is this path, never the one that was asked for. */
  readonly command: string;
  /** In order; "*" stands for any one argument. "any" lets the control plane pass whatever it likes: dangerous for interpreters. */
  readonly arguments: readonly string[] | "any";
  /** Working directories it may have. */
  readonly directories: readonly string[];
  /** Names of variables that may be set, exactly. Anything else is refused, so LD_PRELOAD and NODE_OPTIONS are unless named. */
  readonly environment: readonly string[];
}
