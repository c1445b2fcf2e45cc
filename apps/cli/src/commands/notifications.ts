import {
  type ApplyNotificationChannel,
  DELIVERY_STATES,
  NotificationChannelApplied,
  NotificationChannelPage,
  type NotificationChannelView,
  NotificationDeliveryPage,
  NotificationDeliveryView,
} from "@drawbridge/contracts";
import { type Command, Option } from "commander";
import { collect, count } from "../arguments.js";
import { nameOf, readDocumentFile } from "../document-files.js";
import { CliError } from "../errors.js";
import { parseNotificationChannels } from "../notification-channels.js";
import { connect, type Shell } from "../shell.js";
import { SEARCHED, shortId, wholeId } from "../short-ids.js";
import { age, time } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

interface ApplyOptions extends JsonOption {
  readonly file: readonly string[];
}

interface ListOptions extends JsonOption {
  readonly state?: string;
  readonly channel?: string;
  readonly limit: number;
}

const DEFAULT_LIMIT = 50;
const CHANNELS = "/notification-channels";
const DELIVERIES = "/notification-deliveries";

export function addNotificationCommands(program: Command, shell: Shell): void {
  const notifications = program
    .command("notifications")
    .description("who is told of what, and how that went");
  addChannelCommands(notifications, shell);
  notifications
    .command("list", { isDefault: true })
    .description("list what was sent, or was tried to send, the newest first")
    .addOption(new Option("--state <state>", "in this state only; dead: given up").choices(DELIVERY_STATES))
    .option("--channel <name>", "by this channel only")
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge notifications list --state dead")
    .action((options: ListOptions, command: Command) => list(shell, options, command));
  notifications
    .command("retry")
    .argument("<id>", "as lists show it, or whole")
    .description("try again to send what was given up")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge notifications retry 9f3c21aa")
    .action(async (id: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const search = (state?: string) => () =>
        api.list<typeof NotificationDeliveryView>(DELIVERIES, NotificationDeliveryPage, {
          limit: SEARCHED,
          query: { state },
        });
      const whole = await wholeId(id, { what: "notification", places: [search("dead"), search()] });
      const retried = await api.post(`${DELIVERIES}/${whole}/retry`, NotificationDeliveryView, {});
      if (json) shell.output.json(retried);
      else shell.output.line(`${shortId(retried.id)} is sent again by ${retried.channel}`);
    });
}

function addChannelCommands(notifications: Command, shell: Shell): void {
  const channels = notifications.command("channels").description("webhooks, Slack and e-mail");
  channels
    .command("list", { isDefault: true })
    .description("list the channels")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge notifications channels")
    .action((options: JsonOption, command: Command) => listChannels(shell, options, command));
  channels
    .command("apply")
    .description("make channels, or change them, as documents say")
    .requiredOption("-f, --file <file>", "YAML or JSON, one or more documents; - for standard input", collect)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge notifications channels apply -f channels.yaml")
    .action((options: ApplyOptions, command: Command) => apply(shell, options, command));
  channels
    .command("delete")
    .argument("<name>")
    .description("remove a channel; what it still had to send is dropped")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge notifications channels delete pager")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      await api.delete(`${CHANNELS}/${encodeURIComponent(name)}`);
      if (json) shell.output.json({ name, deleted: true });
      else shell.output.line(`channel ${name} deleted`);
    });
  channels
    .command("test")
    .argument("<name>")
    .description("send a test message by a channel")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge notifications channels test pager")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const path = `${CHANNELS}/${encodeURIComponent(name)}/test`;
      const delivery = await api.post(path, NotificationDeliveryView, {});
      if (json) return shell.output.json(delivery);
      shell.output.line(
        `a test message is on its way by ${name} (${shortId(delivery.id)}): ${delivery.state}`,
      );
      shell.output.notice("see how it went: drawbridge notifications list");
    });
}

async function listChannels(shell: Shell, { json }: JsonOption, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const items = await api.list<typeof NotificationChannelView>(CHANNELS, NotificationChannelPage);
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["NAME", "KIND", "ENABLED", "DESTINATION", "EVENTS", "UPDATED"],
    items.map(({ name, kind, enabled, destination, events, updatedAt }) => [
      name,
      kind,
      enabled,
      destination,
      events.join(", "),
      time(updatedAt),
    ]),
    "no channels: nobody is told of anything; make one: drawbridge notifications channels apply -f FILE",
  );
}

/** Nothing is applied unless every document of every file is in order. */
async function apply(shell: Shell, { file: files, json }: ApplyOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const wanted: ApplyNotificationChannel[] = [];
  for (const file of files) {
    wanted.push(...parseNotificationChannels(await readDocumentFile(file, shell), nameOf(file)));
  }
  const names = wanted.map(({ name }) => name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new CliError(`the channel ${repeated} is described twice`);
  const items: NotificationChannelApplied[] = [];
  for (const channel of wanted) {
    const path = `${CHANNELS}/${encodeURIComponent(channel.name)}`;
    const applied = await api.put(path, NotificationChannelApplied, channel);
    items.push(applied);
    if (!json) showApplied(shell, applied);
  }
  if (json) shell.output.json({ items });
}

function showApplied(
  { output }: Shell,
  { name, kind, destination, secret }: NotificationChannelApplied,
): void {
  output.line(`channel ${name} tells ${destination} (${kind})`);
  if (secret === undefined) return;
  output.line(`its signing secret: ${secret}`);
  output.notice("give it to the receiver; it is not shown again");
}

async function list(shell: Shell, options: ListOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const { state, channel, limit, json } = options;
  const query = { state, channel };
  const items = await api.list<typeof NotificationDeliveryView>(DELIVERIES, NotificationDeliveryPage, {
    limit,
    query,
  });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "STATE", "AGE", "CHANNEL", "EVENT", "ABOUT", "TRIES", "NEXT", "LAST ERROR"],
    items.map((delivery) => [
      shortId(delivery.id),
      delivery.state,
      age(delivery.createdAt),
      delivery.channel,
      delivery.event,
      delivery.subject,
      delivery.attempts,
      time(delivery.nextAttemptAt),
      delivery.lastError,
    ]),
    "no notifications",
  );
}
