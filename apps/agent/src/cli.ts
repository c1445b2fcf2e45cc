import { readFile } from "node:fs/promises";
import { Command, CommanderError, Option } from "commander";
import type { Logger } from "pino";
import { startAgent } from "./agent.js";
import { type AgentConfig, EMPTY_CONFIG, loadConfig } from "./config.js";
import { formatAddress, parseAddresses } from "./enrolment/address.js";
import type { Identity } from "./enrolment/identity.js";
import { join } from "./enrolment/join.js";
import { parseJoinToken } from "./enrolment/join-token.js";
import { StateDirectory } from "./enrolment/state-directory.js";
import { failure, OperatorError, usageError } from "./operator-error.js";
import { describeStatus, readStatus } from "./status.js";
import { AGENT_VERSION } from "./version.js";

/** What the command line needs of the process it runs in. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly createLogger: (level: string) => Logger;
  readonly writeOut: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Called when the agent is up and has nothing more to load. */
  readonly onServing: () => void;
  /** Resolves when the process is asked to stop. */
  readonly stopRequested: () => Promise<string>;
}

interface JoinFlags {
  controlPlane?: string;
  enrolment?: string;
  token?: string;
  tokenFile?: string;
  state: string;
  allow?: string;
  force?: boolean;
}

interface RunFlags extends JoinFlags {
  config?: string;
  logLevel: string;
}

const LOG_LEVELS = ["debug", "info", "warn", "error"];

const NOT_JOINED = 3;

/** Runs one command and returns the exit code: 0, 1 when it failed, 2 when it was not understood, 3 when it has to join. */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    let exitCode = 0;
    const end = (code: number) => (exitCode = code);
    await program(surroundings, end).parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed the help or the problem itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof OperatorError)) throw error;
    surroundings.writeError(`drawbridge-agent: ${error.message}\n`);
    return error.exitCode;
  }
}

/** `end`: with another exit code than 0, though nothing failed. */
function program(surroundings: Surroundings, end: (exitCode: number) => void): Command {
  const root = new Command("drawbridge-agent")
    .description("Runs and reaches the MCP servers of this network for a Drawbridge control plane.")
    .version(AGENT_VERSION)
    .exitOverride()
    .configureOutput({ writeOut: surroundings.writeOut, writeErr: surroundings.writeError });

  withJoinOptions(root.command("join"))
    .description("Trade a one-time token for this agent's certificate.")
    .option("--allow <file>", "check this configuration file as well, so that run will accept it")
    .action(async (flags: JoinFlags) => {
      if (flags.allow !== undefined) await loadConfig(flags.allow);
      const identity = await joinOnce(flags);
      surroundings.writeOut(
        `joined as ${identity.agentName} (${identity.agentId}) of group ${identity.agentGroup}\n`,
      );
    });

  withJoinOptions(root.command("run"))
    .description(
      "Connect and serve until SIGTERM or SIGINT. With a token, join first where that has not happened.",
    )
    .option("--config <file>", "what this host may run and reach; without it, nothing")
    .addOption(new Option("--log-level <level>", "how much to log").choices(LOG_LEVELS).default("info"))
    .action((flags: RunFlags) => run(flags, surroundings));

  root
    .command("status")
    .description("Show who this agent is and until when its certificate is valid.")
    .requiredOption("--state <dir>", "the agent's private directory")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nExits with ${NOT_JOINED} when this agent has not joined; with --json it says so in "joined" and exits with 0.`,
    )
    .action(async ({ state, json }: { state: string; json?: boolean }) => {
      const status = await readStatus(new StateDirectory(state), new Date());
      surroundings.writeOut(json ? `${JSON.stringify(status, null, 2)}\n` : describeStatus(status));
      if (!json && !status.joined) end(NOT_JOINED);
    });
  return root;
}

function withJoinOptions(command: Command): Command {
  return command
    .option(
      "--control-plane <addresses>",
      "where the control plane listens for agents: host:port[,host:port…]",
    )
    .option("--enrolment <address>", "where to join, if not at the first control-plane address")
    .option("--token <token>", "from `drawbridge agents invite`; used once")
    .option("--token-file <file>", "read the token from a file, so that no process list shows it")
    .requiredOption("--state <dir>", "the agent's private directory; made when missing")
    .option("--force", "give up the present identity and join anew");
}

async function joinOnce(flags: JoinFlags): Promise<Identity> {
  const state = new StateDirectory(flags.state);
  if (flags.force !== true && (await state.hasIdentity())) {
    throw failure(
      `${state.path} holds the identity of an agent that has joined already. To leave, remove the agent in the control ` +
        "plane and delete this directory; to join anew over it, add --force",
    );
  }
  const token = parseJoinToken(await readToken(flags));
  if (flags.controlPlane === undefined)
    throw usageError("name the control plane with --control-plane host:port");
  const controlPlane = parseAddresses(flags.controlPlane);
  const enrolment = flags.enrolment === undefined ? controlPlane : parseAddresses(flags.enrolment);
  const [first] = enrolment;
  if (!first) throw usageError("name the control plane with --control-plane host:port");
  return join({ token, enrolment: first, controlPlane, state });
}

async function readToken({ token, tokenFile }: JoinFlags): Promise<string> {
  if (token !== undefined) return token;
  if (tokenFile === undefined) throw usageError("a token is needed: --token or --token-file");
  return readFile(tokenFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw usageError(`cannot read the token file ${tokenFile}: ${error.code ?? "unknown error"}`);
  });
}

async function run(flags: RunFlags, surroundings: Surroundings): Promise<void> {
  const config = await configOf(flags);
  const log = surroundings.createLogger(flags.logLevel);
  const state = new StateDirectory(flags.state);
  const identity = await identityOf(flags, state, log);
  if (config === EMPTY_CONFIG) log.warn("no configuration was given: this agent may run and reach nothing");
  const agent = await startAgent({ identity, state, config, environment: surroundings.environment, log });
  surroundings.onServing();
  const signal = await surroundings.stopRequested();
  log.info({ signal }, "asked to stop");
  await agent.stop();
}

async function configOf(flags: RunFlags): Promise<AgentConfig> {
  const file = flags.config ?? flags.allow;
  return file === undefined ? EMPTY_CONFIG : loadConfig(file);
}

async function identityOf(flags: RunFlags, state: StateDirectory, log: Logger): Promise<Identity> {
  const known = flags.force === true ? undefined : await state.load();
  if (known) {
    const addresses =
      flags.controlPlane === undefined ? known.controlPlane : parseAddresses(flags.controlPlane);
    return { ...known, controlPlane: addresses };
  }
  if (flags.token === undefined && flags.tokenFile === undefined) {
    throw failure(`${state.path} holds no identity: run \`drawbridge-agent join\` with a token first`);
  }
  const identity = await joinOnce({ ...flags, force: true });
  log.info({ agent: identity.agentId, controlPlane: identity.controlPlane.map(formatAddress) }, "joined");
  return identity;
}
