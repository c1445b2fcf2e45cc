import { createWriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  RecordingEventPage,
  type RecordingEventView,
  RecordingPage,
  RecordingVerification,
  RecordingView,
} from "@drawbridge/contracts";
import type { Command } from "commander";
import { interrupted } from "../api.js";
import { count, eventIndex } from "../arguments.js";
import { CliError } from "../errors.js";
import { eventLines, eventTitle } from "../recording-timeline.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";

interface ListOptions {
  readonly limit: number;
  readonly target?: string;
  readonly principal?: string;
  readonly json?: boolean;
}

interface ShowOptions {
  readonly full?: boolean;
  readonly json?: boolean;
}

interface ExportOptions {
  readonly output?: string;
  readonly event?: number;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 50;
/** Payloads make these pages large. */
const EVENTS_A_PAGE = 50;

export function addRecordingCommands(program: Command, shell: Shell): void {
  const recordings = program.command("recordings").description("what the sessions said and heard");
  recordings
    .command("list", { isDefault: true })
    .description("list the newest recordings")
    .option("--target <name>", "of this target only")
    .option("--principal <principal>", "of this principal only")
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge recordings --target shop")
    .action((options: ListOptions, command: Command) => list(shell, options, command));
  recordings
    .command("show")
    .argument("<id>")
    .description("show a recording as a timeline")
    .option("--full", "show payloads whole and everything known about each event")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge recordings show 0198c1f0-… --full")
    .action((...[id, options, command]: [string, ShowOptions, Command]) =>
      show(shell, { id, options }, command),
    );
  recordings
    .command("export")
    .argument("<id>")
    .description("write a recording as JSON lines")
    .option("--event <index>", "only what this event says, however large, as it was delivered", eventIndex)
    .option("-o, --output <file>", "into this file, which must not exist yet; standard output when absent")
    .option("--json", "print JSON about the file that was written")
    .addHelpText("after", "\nExample:\n  drawbridge recordings export 0198c1f0-… -o session.jsonl")
    .action((...[id, options, command]: [string, ExportOptions, Command]) =>
      exportRecording(shell, { id, options }, command),
    );
  recordings
    .command("verify")
    .argument("<id>")
    .description("check that nothing in a recording was changed, moved or removed")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge recordings verify 0198c1f0-…")
    .action(async (id: string, { json }: { json?: boolean }, command: Command) => {
      const { api } = await connect(shell, command);
      const result = await api.get(`/recordings/${encodeURIComponent(id)}/verify`, RecordingVerification);
      if (json) shell.output.json(result);
      else if (result.ok) shell.output.line(`recording ${id} is ${soundness(result)}`);
      if (!result.ok)
        throw new CliError(`recording ${id} is damaged: ${result.problem ?? "the chain is broken"}`);
    });
}

function soundness({ events, head, final }: RecordingVerification): string {
  return `whole${final ? "" : " so far, and not closed yet"}: ${events} events, head ${head}`;
}

async function list(
  shell: Shell,
  { limit, target, principal, json }: ListOptions,
  command: Command,
): Promise<void> {
  const { api } = await connect(shell, command);
  const query = { target, principal };
  const items = await api.list<typeof RecordingView>("/recordings", RecordingPage, { limit, query });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "WHO", "TARGET", "CLIENT", "OPENED", "ENDED", "CALLS", "EVENTS"],
    items.map((recording) => [
      recording.id,
      recording.email ?? recording.principal,
      recording.target,
      recording.clientName ?? recording.oauthClient,
      time(recording.openedAt),
      time(recording.endedAt),
      recording.calls,
      recording.events,
    ]),
    "no recordings",
  );
}

async function show(
  shell: Shell,
  { id, options: { full, json } }: { id: string; options: ShowOptions },
  command: Command,
): Promise<void> {
  const { api } = await connect(shell, command);
  const path = `/recordings/${encodeURIComponent(id)}`;
  const recording = await api.get(path, RecordingView);
  const events = await api.list<typeof RecordingEventView>(`${path}/events`, RecordingEventPage, {
    pageSize: EVENTS_A_PAGE,
  });
  if (json) return shell.output.json({ ...recording, timeline: events });
  shell.output.record({
    recording: recording.id,
    who: recording.email ?? recording.principal,
    target: recording.target,
    client: recording.clientName ?? recording.oauthClient,
    opened: time(recording.openedAt),
    ended: time(recording.endedAt),
    reason: recording.closeReason,
  });
  shell.output.line();
  for (const event of events) {
    shell.output.line(eventTitle(event));
    for (const line of eventLines(event, full ?? false)) shell.output.block(line);
  }
}

async function exportRecording(
  shell: Shell,
  { id, options: { output: file, event, json } }: { id: string; options: ExportOptions },
  command: Command,
): Promise<void> {
  const { api } = await connect(shell, command);
  if (file === undefined && json)
    throw new CliError("--json describes the file that was written: give it with -o");
  const what = event === undefined ? "export" : `events/${event}/payload`;
  const path = `/recordings/${encodeURIComponent(id)}/${what}`;
  if (file === undefined) {
    const decoder = new TextDecoder();
    for await (const chunk of await api.stream(path))
      shell.output.exact(decoder.decode(chunk, { stream: true }));
    return;
  }
  const bytes = await writeNewFile(file, () => api.stream(path), shell.signal);
  if (json) shell.output.json({ id, file, bytes });
  else {
    const written = event === undefined ? `recording ${id}` : `event ${event} of recording ${id}`;
    shell.output.line(`${written} written to ${file} (${bytes} bytes)`);
  }
}

/** The file appears when it is complete, and only its owner can read it. */
async function writeNewFile(
  file: string,
  source: () => Promise<ReadableStream<Uint8Array>>,
  signal: AbortSignal,
): Promise<number> {
  const reserved = await open(file, "wx", 0o600).catch((error: Error) => {
    throw new CliError(`cannot write ${file}: ${error.message}`, { cause: error });
  });
  await reserved.close();
  const partial = `${file}.partial`;
  try {
    const sink = createWriteStream(partial, { mode: 0o600, flush: true });
    await pipeline(Readable.fromWeb(await source()), sink, { signal });
    await rename(partial, file);
    return sink.bytesWritten;
  } catch (error) {
    await Promise.all([rm(partial, { force: true }), rm(file, { force: true })]);
    if (signal.aborted) throw interrupted();
    if (error instanceof CliError) throw error;
    throw new CliError(`the export broke off: ${(error as Error).message}`, { cause: error });
  }
}
