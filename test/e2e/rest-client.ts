import { RecordingPage, type RecordingView, type RecordingVerification } from "@drawbridge/contracts";
import { eventually } from "@drawbridge/testing";

/** A line of a recording's export that is an event. */
export interface ExportedEvent {
  readonly index: number;
  readonly kind: string;
  readonly direction: string;
  readonly exchange: number;
  readonly method?: string;
  readonly name?: string;
  readonly attributes: Record<string, unknown>;
  readonly payload: string;
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** The REST API as one person. */
export class RestClient {
  readonly #base: string;
  readonly #token: () => Promise<string>;

  constructor(publicUrl: string, token: () => Promise<string>) {
    this.#base = `${publicUrl}/api/v1/`;
    this.#token = token;
  }

  async send(method: string, route: string, body?: unknown): Promise<Answer> {
    const { status, text } = await this.#fetch(method, route, body);
    return { status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
  }

  /** As `send`, for what must succeed. */
  async demand(method: string, route: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await this.send(method, route, body);
    if (answer.status >= 300) {
      throw new Error(`${method} ${route} answered ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  /** The text of an answer that is not JSON. */
  async text(method: string, route: string, body?: unknown): Promise<string> {
    const { status, text } = await this.#fetch(method, route, body);
    if (status >= 300) throw new Error(`${method} ${route} answered ${status} ${text}`);
    return text;
  }

  /** The recordings of a target, newest first. */
  async recordings(target: string): Promise<RecordingView[]> {
    return RecordingPage.parse(await this.demand("GET", `recordings?target=${target}&limit=200`)).items;
  }

  /** The text of a recording's export, whole. */
  async exportText(id: string): Promise<string> {
    const { status, text } = await this.#fetch("GET", `recordings/${id}/export`);
    if (status !== 200) throw new Error(`the export answered ${status} ${text}`);
    return text;
  }

  async events(id: string): Promise<ExportedEvent[]> {
    const lines = (await this.exportText(id)).trimEnd().split("\n");
    return lines.slice(1).map((line) => JSON.parse(line) as ExportedEvent);
  }

  async verify(id: string): Promise<RecordingVerification> {
    return (await this.demand("GET", `recordings/${id}/verify`)) as unknown as RecordingVerification;
  }

  /** The first event of the kind for calls of `tool`, when there is one within the time. */
  eventOf(id: string, { kind, tool }: { kind: string; tool: string }, timeoutMs = 20_000) {
    return eventually(
      async () => {
        const events = await this.events(id);
        const exchange = events.find(({ name, kind: of }) => of === "request" && name === tool)?.exchange;
        const event = events.find((candidate) => candidate.kind === kind && candidate.exchange === exchange);
        if (event === undefined)
          throw new Error(
            `no ${kind} among ${JSON.stringify(events.map((e) => [e.kind, e.exchange, e.name]))}`,
          );
        return event;
      },
      { timeoutMs, intervalMs: 100 },
    );
  }

  async #fetch(method: string, route: string, body?: unknown): Promise<{ status: number; text: string }> {
    const response = await fetch(this.#base + route, {
      method,
      headers: {
        authorization: `Bearer ${await this.#token()}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    return { status: response.status, text: await response.text() };
  }
}
