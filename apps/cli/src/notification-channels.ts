import { ApplyNotificationChannel } from "@drawbridge/contracts";
import { parseAllDocuments } from "yaml";
import { CliError } from "./errors.js";

/** Beyond this, a small text could describe a value of any size. */
const MAX_ALIASES = 100;

/**
 * The notification channels in a YAML or JSON text of one or more documents.
 * @throws CliError with every problem, before anything was sent; it quotes no value, since some are secrets
 */
export function parseNotificationChannels(text: string, file: string): ApplyNotificationChannel[] {
  const documents = [...parseAllDocuments(text)];
  const broken = documents.flatMap(({ errors }) =>
    errors.map(({ linePos }) => `line ${linePos?.[0].line ?? 1}: it ends or goes on where it must not`),
  );
  if (broken.length > 0) throw new CliError(`${file} is not valid YAML or JSON`, { details: broken });
  const results = documents
    .map((document) => valueOf(document, file))
    .filter((value) => value !== null)
    .map((value) => ApplyNotificationChannel.safeParse(value));
  const problems = results.flatMap(({ error }, index) =>
    (error?.issues ?? []).map(
      ({ path, message }) => `channel ${index + 1}: ${path.join(".") || "document"}: ${message}`,
    ),
  );
  if (problems.length > 0) {
    throw new CliError(`${file} does not describe notification channels`, { details: problems });
  }
  const channels = results.flatMap(({ data }) => data ?? []);
  if (channels.length === 0) throw new CliError(`${file} holds no notification channel`);
  return channels;
}

function valueOf(document: ReturnType<typeof parseAllDocuments>[number], file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    throw new CliError(`${file} uses too many YAML aliases; write the values out`, { cause: error });
  }
}
