import { CredentialStore } from "../credentials.js";
import { FakeControlPlane } from "./fake-control-plane.js";
import { TestShell } from "./test-shell.js";

export interface SignedIn {
  readonly controlPlane: FakeControlPlane;
  readonly shell: TestShell;
  readonly stop: () => Promise<void>;
}

const VALID_MS = 600_000;

/** A control plane, and a user's home from where somebody has signed in to it. */
export async function signedIn(): Promise<SignedIn> {
  const controlPlane = await FakeControlPlane.start();
  const shell = await TestShell.open();
  const expiresAt = Date.now() + VALID_MS;
  await new CredentialStore(shell.configDirectory).save(controlPlane.url, {
    issuer: "http://127.0.0.1:1",
    oauthClient: "drawbridge-cli",
    apiAudience: `${controlPlane.url}/api`,
    mcpAudience: `${controlPlane.url}/mcp`,
    refreshToken: "refresh-secret",
    apiToken: { value: "api-secret", expiresAt },
    mcpToken: { value: "mcp-secret", expiresAt },
  });
  return {
    controlPlane,
    shell,
    stop: async () => {
      await controlPlane.stop();
      await shell.close();
    },
  };
}
