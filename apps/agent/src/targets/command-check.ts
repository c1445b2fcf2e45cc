import { accessSync, constants, realpathSync, statSync } from "node:fs";
import path from "node:path";
import type { TargetDefinition_StdioTransport as StdioTransport } from "@drawbridge/protocol";
import type { CommandRule } from "./allow-rules.js";

/** What will be started, exactly. */
export interface AllowedCommand {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface CommandSurroundings {
  /** The agent's own PATH, for commands given by name. */
  readonly searchPath: string;
  /** Where a child runs whose definition names no directory. */
  readonly childDirectory: string;
}

/** What a rule of this host allows to start for `wanted`, or in words why nothing does. */
export function checkCommand(
  rules: readonly CommandRule[],
  wanted: StdioTransport,
  surroundings: CommandSurroundings,
): AllowedCommand | string {
  const requested = locate(wanted.command, surroundings.searchPath);
  const sameCommand =
    requested === undefined ? [] : rules.filter((rule) => isSameProgram(rule.command, requested));
  if (sameCommand.length === 0) {
    return refusal("command", "allow.commands");
  }
  const sameArguments = sameCommand.filter((rule) => matchArguments(rule.arguments, wanted.arguments));
  if (sameArguments.length === 0) return refusal("command with these arguments", "allow.commands");

  const sameDirectory = sameArguments.filter((rule) => matchDirectory(rule, wanted.workingDirectory));
  if (sameDirectory.length === 0)
    return refusal("working directory", "the directories of the command's rule");

  const rule = sameDirectory.find((candidate) => matchEnvironment(candidate, wanted.environment));
  if (!rule) {
    return refusal("environment variables", "the environment of the command's rule");
  }
  return {
    command: rule.command,
    arguments: wanted.arguments,
    directory: wanted.workingDirectory === "" ? surroundings.childDirectory : wanted.workingDirectory,
    environment: wanted.environment,
  };
}

function refusal(what: string, where: string): string {
  return `the agent's configuration does not allow this ${what}: its operator would have to add it to ${where}`;
}

/**
 * The same file under the same name. The name counts because some programs (busybox) are many in one file and choose
 * by the name they are called by.
 */
function isSameProgram(allowed: string, requested: string): boolean {
  if (allowed === requested) return true;
  if (path.basename(allowed) !== path.basename(requested)) return false;
  const real = realPath(allowed);
  return real !== undefined && real === realPath(requested);
}

function locate(command: string, searchPath: string): string | undefined {
  if (command.includes("\0") || command === "") return undefined;
  if (path.isAbsolute(command)) return path.normalize(command) === command ? command : undefined;
  if (command.includes("/")) return undefined;
  return searchPath
    .split(path.delimiter)
    .filter((directory) => path.isAbsolute(directory))
    .map((directory) => path.join(directory, command))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function realPath(file: string): string | undefined {
  try {
    return realpathSync(file);
  } catch {
    return undefined;
  }
}

function matchArguments(allowed: CommandRule["arguments"], wanted: readonly string[]): boolean {
  if (wanted.some((argument) => argument.includes("\0"))) return false;
  if (allowed === "any") return true;
  return (
    allowed.length === wanted.length &&
    allowed.every((pattern, index) => pattern === "*" || pattern === wanted[index])
  );
}

function matchDirectory(rule: CommandRule, wanted: string): boolean {
  return wanted === "" || rule.directories.includes(wanted);
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

function matchEnvironment(rule: CommandRule, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => VARIABLE_NAME.test(name) && rule.environment.includes(name) && !value.includes("\0"),
  );
}
