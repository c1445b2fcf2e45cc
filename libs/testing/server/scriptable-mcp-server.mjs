#!/usr/bin/env node
// A scriptable MCP server over stdio. Its arguments, or SCRIPTABLE_SERVER (separated by blanks), are switches:
//   exit-at-once[=code]  ignore-sigterm (and the end of stdin)  never-initialize  rubbish-first  page-size=N
//   modern  dual  silent-when-unknown  exit-when-unknown  no-list
/* oxlint-disable typescript/no-unsafe-assignment */
import { createInterface } from "node:readline";
import { ScriptableBehaviour } from "./scriptable-behaviour.mjs";

const given = [...process.argv.slice(2), ...(process.env.SCRIPTABLE_SERVER ?? "").split(" ")];
const switches = new Map(given.filter(Boolean).map((text) => text.replace(/^--/, "").split("=")));

if (switches.has("exit-at-once")) process.exit(Number(switches.get("exit-at-once") ?? 1));
if (switches.has("rubbish-first")) process.stdout.write("welcome, this is not JSON\n");
if (switches.has("ignore-sigterm")) {
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 60_000);
}

const server = new ScriptableBehaviour(
  {
    send: (text) => process.stdout.write(`${text}\n`),
    crash: (code) => process.exit(code),
  },
  { switches: [...switches.keys()], pageSize: Number(switches.get("page-size") ?? 1000) },
);

createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => {
  server.receive(line).catch((error) => process.stderr.write(`${error}\n`));
});
