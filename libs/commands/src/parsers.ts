import { loadMysqlParser } from "./mysql/mysql-facts.js";
import { loadPostgresqlParser } from "./postgresql/parser.js";

let loading: Promise<void> | undefined;

/** Loads what must be loaded before anything is parsed: once, at the start of a process. */
export async function loadParsers(): Promise<void> {
  loading ??= load();
  await loading;
}

async function load(): Promise<void> {
  await Promise.all([loadPostgresqlParser(), loadMysqlParser()]);
}
