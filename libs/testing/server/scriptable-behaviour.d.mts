export interface ScriptablePort {
  /** `requestId` as in the request it belongs to; undefined for a message that belongs to none. */
  send(text: string, requestId: unknown): void;
  crash(code: number, requestId: unknown): void;
}

export interface ScriptableOptions {
  readonly switches?: readonly string[];
  readonly pageSize?: number;
}

export class ScriptableBehaviour {
  constructor(port: ScriptablePort, options?: ScriptableOptions);
  /** Handles the text of one message; rejects when it is not JSON. */
  receive(text: string): Promise<void>;
}

/** JSON.parse that keeps numbers a double cannot hold as what JSON.stringify writes back exactly. */
export function parseExactly(text: string): unknown;
