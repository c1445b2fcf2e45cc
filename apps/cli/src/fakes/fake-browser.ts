import { CookieJar } from "../sign-in/cookie-jar.js";

const MAX_STEPS = 20;

/** Somebody at a browser, who signs in as one user and agrees to everything the identity provider asks. */
export class FakeBrowser {
  readonly #user: string;
  readonly #cookies = new CookieJar();

  constructor(user: string) {
    this.#user = user;
  }

  /** Goes on until a page asks for nothing more; answers its text. */
  async signIn(address: string | URL): Promise<string> {
    let url = new URL(address);
    let form: URLSearchParams | undefined;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const response = await fetch(url, {
        redirect: "manual",
        headers: { cookie: this.#cookies.header(url) },
        ...(form === undefined ? {} : { method: "POST", body: form }),
      });
      this.#cookies.store(url, response.headers.getSetCookie());
      const location = response.headers.get("location");
      const page = await response.text();
      if (location === null && !page.includes("<form")) return page;
      form = location === null ? this.#filledIn(page) : undefined;
      url = new URL(location ?? attribute(page, "form", "action"), url);
    }
    throw new Error("the sign-in goes on without end");
  }

  #filledIn(page: string): URLSearchParams {
    const form = new URLSearchParams();
    for (const [input] of page.matchAll(/<input[^>]*>/g)) {
      if (input.includes("name="))
        form.set(attribute(input, "input", "name"), attribute(input, "input", "value"));
    }
    if (page.includes('name="user"')) form.set("user", this.#user);
    return form;
  }
}

function attribute(html: string, element: string, name: string): string {
  return new RegExp(`<${element}[^>]*\\s${name}="([^"]*)"`).exec(html)?.[1] ?? "";
}
