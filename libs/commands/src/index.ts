export { commandTexts } from "./command-texts.js";
export {
  DIALECTS,
  type Dialect,
  type FactDescription,
  type FactType,
  MAX_COMMAND_BYTES,
  SHELL_FACTS,
  type ShellFacts,
  SQL_FACTS,
  type SqlDialect,
  type SqlFacts,
} from "./facts.js";
export { loadParsers } from "./parsers.js";
export { shellFacts } from "./shell/shell-facts.js";
export { sqlFacts } from "./sql-facts.js";
export { unreadable } from "./unread-facts.js";
