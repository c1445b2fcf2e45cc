import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { Inject, Injectable } from "@nestjs/common";
import { CONFIG, ConfigError, type Config } from "../config.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * The key-encryption key and what is derived from it. Sealed text is nonce ‖ AES-256-GCM ciphertext ‖ tag under a
 * key of its own per purpose; the purpose and the caller's context are bound as associated data.
 */
@Injectable()
export class KeyEncryption {
  readonly #key: Buffer;

  constructor(@Inject(CONFIG) config: Config) {
    this.#key = readKey(config.keyEncryptionKeyFile);
  }

  /** 32 bytes for one purpose (HKDF-SHA-256, RFC 5869). */
  derive(purpose: string): Buffer {
    return Buffer.from(hkdfSync("sha256", this.#key, "", `drawbridge/v1/${purpose}`, 32));
  }

  seal(purpose: string, context: string, plain: Uint8Array): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.derive(purpose), nonce).setAAD(
      Buffer.from(`${purpose}\0${context}`),
    );
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** Throws when the text was sealed under another key, for another purpose or context, or was changed. */
  open(purpose: string, context: string, sealed: Uint8Array): Buffer {
    const decipher = createDecipheriv("aes-256-gcm", this.derive(purpose), sealed.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(`${purpose}\0${context}`))
      .setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    return Buffer.concat([
      decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)),
      decipher.final(),
    ]);
  }
}

function readKey(file: string): Buffer {
  if (!existsSync(file)) {
    throw new ConfigError(
      `DRAWBRIDGE_KEK_FILE ${file} does not exist; make it once with: (umask 077; openssl rand -hex 32 > ${file}) and keep a copy: without it no recording can be read`,
    );
  }
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new ConfigError(`DRAWBRIDGE_KEK_FILE ${file} can be read by others; run: chmod 600 ${file}`);
  }
  const text = readFileSync(file, "utf8").trim();
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new ConfigError(`DRAWBRIDGE_KEK_FILE ${file} must hold 64 hexadecimal digits (32 bytes)`);
  }
  return Buffer.from(text, "hex");
}
