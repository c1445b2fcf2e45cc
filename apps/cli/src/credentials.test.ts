import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Credential, CredentialStore } from "./credentials.js";
import { TestShell } from "./fakes/test-shell.js";

const URL = "http://127.0.0.1:8080";
const CREDENTIAL: Credential = {
  issuer: "http://127.0.0.1:9000",
  oauthClient: "drawbridge-cli",
  apiAudience: `${URL}/api`,
  mcpAudience: `${URL}/mcp`,
  refreshToken: "0",
};

let shell: TestShell;
let store: CredentialStore;

beforeEach(async () => {
  shell = await TestShell.open();
  store = new CredentialStore(shell.configDirectory);
});
afterEach(() => shell.close());

describe("the credential store", () => {
  it("keeps a sign-in where only its owner can read it", async () => {
    await store.save(URL, CREDENTIAL);
    expect(await new CredentialStore(shell.configDirectory).find(URL)).toEqual(CREDENTIAL);
    expect((await stat(shell.credentialsFile)).mode & 0o777).toBe(0o600);
    expect((await stat(shell.configDirectory)).mode & 0o777).toBe(0o700);
    expect(await readdir(shell.configDirectory)).toEqual(["credentials.json", "credentials.json.lock"]);
  });

  it("makes the newest sign-in the current one and forgets it with the sign-in", async () => {
    await store.save("https://other.example.com", CREDENTIAL);
    await store.save(URL, CREDENTIAL);
    expect(await store.current()).toBe(URL);
    expect(await store.remove(URL)).toEqual(CREDENTIAL);
    expect(await store.current()).toBeUndefined();
    expect(await store.find("https://other.example.com")).toEqual(CREDENTIAL);
  });

  it("lets one change at a time happen", async () => {
    await store.save(URL, CREDENTIAL);
    const increments = Array.from({ length: 8 }, () =>
      new CredentialStore(shell.configDirectory).change(URL, async (credential = CREDENTIAL) => {
        await sleep(5);
        return { ...credential, refreshToken: String(Number(credential.refreshToken) + 1) };
      }),
    );
    await Promise.all(increments);
    expect((await store.find(URL))?.refreshToken).toBe("8");
  });

  it("lets go of the lock and keeps the old content when a change fails", async () => {
    await store.save(URL, CREDENTIAL);
    await expect(store.change(URL, () => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
    await store.save(URL, { ...CREDENTIAL, refreshToken: "1" });
    expect((await store.find(URL))?.refreshToken).toBe("1");
  });

  it("does not trust a file that others can read", async () => {
    await store.save(URL, CREDENTIAL);
    await chmod(shell.credentialsFile, 0o644);
    await expect(store.find(URL)).rejects.toThrow(/others can read/);
  });

  it.each(["", "{", '{"version":2}', "null"])("says what to do about a damaged file: %j", async (content) => {
    await store.save(URL, CREDENTIAL);
    await writeFile(shell.credentialsFile, content);
    await expect(store.find(URL)).rejects.toThrow(/damaged; delete it and sign in again/);
    expect(await readFile(shell.credentialsFile, "utf8")).toBe(content);
  });
});
