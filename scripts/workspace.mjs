// Brings a clone to where it can run, on any Node from 18 on: dependencies (the pinned Node among them), generated
// code, compiled code. Each step is skipped when what it reads has not changed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { hashFiles, installInputs, isUpToDate, writeStamp } from "./stamp.mjs";

const PNPM = "pnpm@12.21.0";

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const bin = path.join(root, "node_modules", ".bin");
/** The pinned Node; the one that runs this script is whatever the machine has. */
export const node = path.join(bin, "node");

/** The caller's environment with the workspace's programs first. */
export function toolEnvironment() {
  return { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ""}` };
}

/** A failure whose message is all that a person needs; no stack. */
export class StepError extends Error {}

export async function prepareWorkspace() {
  await step("install dependencies", install);
  await step("generate the database client", generate);
  await step("compile", compile);
}

/** Runs a step that says whether it had anything to do, and shows one line for it if so. */
async function step(name, work) {
  const startedAt = Date.now();
  const line = progressLine(name);
  const worked = await work(line);
  if (worked) line.done(`${name} (${seconds(startedAt)})`);
}

async function install(line) {
  const hash = hashFiles(root, installInputs(root), process.platform, process.arch);
  const stamp = path.join(root, "node_modules", ".drawbridge-stamp");
  if (isUpToDate(stamp, hash) && existsSync(node)) return false;
  line.update("the first time takes a minute or two");
  // CI=true: never asks a question, and replaces a node_modules it cannot use.
  const args = ["-y", PNPM, "install", "--frozen-lockfile", "--reporter=append-only"];
  const { code, output } = await runQuietly("npx", args, {
    env: { ...process.env, CI: "true" },
    onLine: (text) => text.startsWith("Progress:") && line.update(text.slice("Progress: ".length)),
  });
  if (code !== 0) throw new StepError(`installing the dependencies failed:\n${lastLines(output)}`);
  if (!existsSync(node)) {
    throw new StepError(`there is no Node for ${process.platform}-${process.arch} among the dependencies`);
  }
  writeStamp(stamp, hash);
  return true;
}

async function generate() {
  const hash = hashFiles(root, ["prisma/schema.prisma", "pnpm-lock.yaml", "scripts/generate.mjs"]);
  const stamp = path.join(root, "node_modules", ".cache", "drawbridge", "generated");
  const generated = path.join(root, "apps", "control-plane", "src", "generated");
  if (isUpToDate(stamp, hash) && existsSync(generated)) return false;
  const { code, output } = await runQuietly(node, ["scripts/generate.mjs", "prisma"], {
    env: toolEnvironment(),
  });
  if (code !== 0) throw new StepError(`generating the database client failed:\n${lastLines(output)}`);
  writeStamp(stamp, hash);
  return true;
}

async function compile() {
  const startedAt = Date.now();
  const { code, output } = await runQuietly(path.join(bin, "tsc"), ["-b"], { env: toolEnvironment() });
  if (code !== 0) throw new StepError(`the sources do not compile:\n${lastLines(output)}`);
  // Nothing changed: not worth a line.
  return Date.now() - startedAt > 2_000;
}

/** Runs a program in the root and keeps what it says; resolves with its exit code, 127 when it does not exist. */
export function runQuietly(command, args, { env, onLine = () => {} }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const read = (chunk) => {
      output += chunk;
      for (const line of String(chunk).split("\n")) if (line !== "") onLine(line);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", (error) => resolve({ code: 127, output: `${command}: ${error.message}` }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Runs a program in the foreground as if it were this one; resolves with the exit code to end with. */
export function runInForeground(args) {
  return new Promise((resolve) => {
    // The channel tells the child when we are gone, however we went.
    const stdio = ["ignore", "inherit", "inherit", "ipc"];
    const child = spawn(node, args, { cwd: root, env: toolEnvironment(), stdio });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
    child.on("error", (error) => {
      console.error(error.message);
      resolve(127);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** Ends with the message of a step that failed; anything else is a bug and keeps its stack. */
export function explain(error) {
  console.error(error instanceof StepError ? error.message : error);
}

/** One line that is rewritten on a terminal, and written once at the end elsewhere. */
function progressLine(name) {
  const terminal = process.stdout.isTTY === true;
  return {
    update: (text) => terminal && process.stdout.write(`\r\x1b[2K… ${name}: ${text}`),
    done: (text) => process.stdout.write(`${terminal ? "\r\x1b[2K" : ""}✓ ${text}\n`),
  };
}

export function seconds(startedAt) {
  return `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
}

function lastLines(output) {
  return output.trimEnd().split("\n").slice(-40).join("\n");
}
