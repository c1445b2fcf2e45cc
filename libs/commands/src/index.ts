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
