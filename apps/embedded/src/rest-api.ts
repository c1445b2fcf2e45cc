/** The control plane's REST API as one signed-in person. */
export class RestApi {
  readonly #baseUrl: string;
  readonly #token: () => Promise<string>;

  constructor(publicUrl: string, token: () => Promise<string>) {
    this.#baseUrl = `${publicUrl}/api/v1`;
    this.#token = token;
  }

  get<T>(path: string): Promise<T | undefined> {
    return this.#call("GET", path);
  }

  put(path: string, body: unknown): Promise<unknown> {
    return this.#call("PUT", path, body);
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return (await this.#call<T>("POST", path, body)) as T;
  }

  async delete(path: string): Promise<void> {
    await this.#call("DELETE", path);
  }

  /** Undefined for what does not exist; every other refusal is an error with the control plane's own words. */
  async #call<T>(method: string, path: string, body?: unknown): Promise<T | undefined> {
    const response = await fetch(this.#baseUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${await this.#token()}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (response.status === 404 && method !== "POST") return undefined;
    if (!response.ok) throw new Error(`${method} ${path} was refused: ${explanation(text, response.status)}`);
    return text === "" ? undefined : (JSON.parse(text) as T);
  }
}

/** RFC 9457 problem details in one line. */
function explanation(text: string, status: number): string {
  try {
    const { detail, problems = [] } = JSON.parse(text) as {
      detail: string;
      problems?: { path: string; message: string }[];
    };
    return [detail, ...problems.map(({ path, message }) => `${path}: ${message}`)].join("; ");
  } catch {
    return `HTTP ${status}`;
  }
}
