import type { Effect } from "./findings.js";

const READS_FILES: readonly Effect[] = ["reachesOut"];
const OTHER_SERVERS: readonly Effect[] = ["reachesOut", "runsCode"];
const WRITES: readonly Effect[] = ["writes"];
const SESSION: readonly Effect[] = ["changesSession"];

/**
 * Functions of which it is known what they do. One that is neither here nor among the harmless ones runs code that is
 * not looked into: so do pg_sleep, pg_terminate_backend, query_to_xml, pg_reload_conf and the like.
 */
const EFFECTS: ReadonlyMap<string, readonly Effect[]> = new Map([
  ["nextval", WRITES],
  ["setval", WRITES],
  ["lo_creat", WRITES],
  ["lo_create", WRITES],
  ["lo_from_bytea", WRITES],
  ["lo_import", ["writes", "reachesOut"]],
  ["lo_export", READS_FILES],
  ["pg_read_file", READS_FILES],
  ["pg_read_binary_file", READS_FILES],
  ["pg_stat_file", READS_FILES],
  ["pg_current_logfile", READS_FILES],
  ["pg_hba_file_rules", READS_FILES],
  ["pg_ident_file_mappings", READS_FILES],
  ["pg_show_all_file_settings", READS_FILES],
  ["pg_file_read", READS_FILES],
  ["pg_file_write", ["reachesOut", "runsCode"]],
  ["pg_notify", ["acts"]],
  ["set_config", SESSION],
  ["setseed", SESSION],
  ["pg_export_snapshot", SESSION],
]);

const EFFECTS_BY_PREFIX: readonly (readonly [prefix: string, effects: readonly Effect[]])[] = [
  ["pg_advisory_", SESSION],
  ["pg_try_advisory_", SESSION],
  ["pg_ls_", READS_FILES],
  ["dblink", OTHER_SERVERS],
  ["postgres_fdw_", OTHER_SERVERS],
  ["http_", OTHER_SERVERS],
  ["pg_logical_", OTHER_SERVERS],
  ["pg_create_logical_", OTHER_SERVERS],
  ["pg_create_physical_", OTHER_SERVERS],
];

/** What is known of a function that is not harmless; undefined when nothing is. */
export function harmOf(name: string): readonly Effect[] | undefined {
  return EFFECTS.get(name) ?? EFFECTS_BY_PREFIX.find(([prefix]) => name.startsWith(prefix))?.[1];
}
