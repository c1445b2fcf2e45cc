import {
  AgentPage,
  AgentView,
  JoinTokenCreated,
  JoinTokenPage,
  type JoinTokenView,
} from "@drawbridge/contracts";
import type { Command } from "commander";
import { durationSeconds } from "../arguments.js";
import { usageError } from "../errors.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

interface InviteOptions extends JsonOption {
  readonly group: string;
  readonly name?: string;
  /** Seconds. */
  readonly expires: number;
}

const DEFAULT_EXPIRY_SECONDS = 1800;

export function addAgentCommands(program: Command, shell: Shell): void {
  const agents = program.command("agents").description("our processes in the private networks");
  agents
    .command("list", { isDefault: true })
    .description("list the agents")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge agents")
    .action((options: JsonOption, command: Command) => list(shell, options, command));
  agents
    .command("show")
    .argument("<id>")
    .description("show one agent")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge agents show 0198c1f0-…")
    .action(async (id: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const agent = await api.get(`/agents/${encodeURIComponent(id)}`, AgentView);
      if (json) shell.output.json(agent);
      else showAgent(shell, agent);
    });
  agents
    .command("remove")
    .argument("<id>")
    .description("remove an agent: its certificate opens nothing from now on")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge agents remove 0198c1f0-…")
    .action(async (id: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      await api.delete(`/agents/${encodeURIComponent(id)}`);
      if (json) shell.output.json({ id, removed: true });
      else shell.output.line(`agent ${id} removed`);
    });
  addInvitationCommands(agents, shell);
}

function addInvitationCommands(agents: Command, shell: Shell): void {
  agents
    .command("invite")
    .description("print the line that makes one agent join, to be run in the private network")
    .requiredOption("--group <group>", "the agent group: targets name it, and its agents serve them")
    .option("--name <name>", "the agent's name; made up when absent")
    .option(
      "--expires <duration>",
      "how long the line works, 1m to 24h",
      durationSeconds,
      DEFAULT_EXPIRY_SECONDS,
    )
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge agents invite --group warehouse --expires 30m")
    .action((options: InviteOptions, command: Command) => invite(shell, options, command));
  agents
    .command("invitations")
    .description("list the invitations and what became of them")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge agents invitations")
    .action((options: JsonOption, command: Command) => invitations(shell, options, command));
  agents
    .command("uninvite")
    .argument("<id>")
    .description("make an invitation that was not used yet worthless")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge agents uninvite 0198c1f0-…")
    .action(async (id: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      await api.delete(`/join-tokens/${encodeURIComponent(id)}`);
      if (json) shell.output.json({ id, revoked: true });
      else shell.output.line(`invitation ${id} revoked`);
    });
}

async function list(shell: Shell, { json }: JsonOption, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const items = await api.list<typeof AgentView>("/agents", AgentPage);
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "NAME", "GROUP", "STATE", "CONNECTED", "SESSIONS", "LAST SEEN", "VERSION"],
    items.map((agent) => [
      agent.id,
      agent.name,
      agent.group,
      agent.state,
      agent.connected,
      agent.openSessions,
      time(agent.lastSeenAt),
      agent.version,
    ]),
    "no agents yet; invite one: drawbridge agents invite --group NAME",
  );
}

function showAgent({ output }: Shell, agent: ReturnType<typeof AgentView.parse>): void {
  output.record({
    id: agent.id,
    name: agent.name,
    group: agent.group,
    state: agent.state,
    connected: agent.connected,
    "open sessions": agent.openSessions,
    version: agent.version,
    features: agent.features.join(", "),
    isolation: agent.isolation,
    joined: time(agent.joinedAt),
    "last seen": time(agent.lastSeenAt),
    "certificate ends": time(agent.certificateEndsAt),
  });
}

async function invite(shell: Shell, options: InviteOptions, command: Command): Promise<void> {
  const { group, name, expires: expiresInSeconds, json } = options;
  if (expiresInSeconds < 60 || expiresInSeconds > 86_400) throw usageError("--expires is from 1m to 24h");
  const { api } = await connect(shell, command);
  const created = await api.post("/join-tokens", JoinTokenCreated, {
    group,
    expiresInSeconds,
    ...(name === undefined ? {} : { name }),
  });
  if (json) return shell.output.json(created);
  shell.output.notice(
    `run this in the network of ${created.group}; it works once, until ${time(created.expiresAt)}:\n`,
  );
  shell.output.line(created.command);
  shell.output.notice("\nit holds the join token and is not shown again");
}

async function invitations(shell: Shell, { json }: JsonOption, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const items = await api.list<typeof JoinTokenView>("/join-tokens", JoinTokenPage);
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "GROUP", "NAME", "STATE", "BY", "EXPIRES"],
    items.map((token) => [
      token.id,
      token.group,
      token.name,
      token.state,
      token.createdBy,
      time(token.expiresAt),
    ]),
    "no invitations",
  );
}
