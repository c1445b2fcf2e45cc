import { randomBytes } from "node:crypto";
import path from "node:path";
import { type JWK, exportJWK, generateKeyPair } from "jose";
import { readFileIfPresent, writePrivateFile } from "./private-file.js";

export interface IdentityKeys {
  /** Private; signs access and ID tokens with RS256. */
  signing: JWK & { kid: string };
  /** Signs the provider's cookies. */
  cookies: string[];
}

/** The keys kept in the directory, so that tokens and sessions survive a restart; new ones without a directory. */
export async function loadIdentityKeys(directory: string | undefined): Promise<IdentityKeys> {
  const file = directory === undefined ? undefined : path.join(directory, "keys.json");
  const stored = file === undefined ? undefined : await readFileIfPresent(file);
  if (stored !== undefined) return JSON.parse(stored) as IdentityKeys;

  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const keys: IdentityKeys = {
    signing: {
      ...(await exportJWK(privateKey)),
      kid: randomBytes(8).toString("hex"),
      alg: "RS256",
      use: "sig",
    },
    cookies: [randomBytes(32).toString("base64url")],
  };
  if (file !== undefined) await writePrivateFile(file, JSON.stringify(keys));
  return keys;
}
