import "reflect-metadata";
import { generateKeyPairSync } from "node:crypto";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import "../fakes/certificate-authority.js";
import { describe, expect, test } from "vitest";
import { createCertificateRequest } from "./certificate-request.js";
import { formatAddress, parseAddresses } from "./address.js";
import { renewalTime } from "./renewal.js";

describe("renewalTime", () => {
  test.each([
    [0, 45],
    [0.5, 50],
    [1, 55],
  ])("with chance %d lies at %d %% of the certificate's life", (chance, percent) => {
    expect(renewalTime({ from: 1_000, to: 1_100 }, () => chance)).toBeCloseTo(1_000 + percent);
  });
});

describe("createCertificateRequest", () => {
  test("is a request another library accepts: signed by its key, without an identity", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const request = new Pkcs10CertificateRequest(new Uint8Array(createCertificateRequest(privateKey)));
    expect(await request.verify()).toBe(true);
    expect(request.subject).toBe("");
    expect(request.attributes).toEqual([]);
    const spki = publicKey.export({ type: "spki", format: "der" });
    expect(Buffer.from(request.publicKey.rawData).equals(spki)).toBe(true);
  });
});

describe("parseAddresses", () => {
  test("reads names, addresses and IPv6, each once", () => {
    const addresses = parseAddresses("a.example:8443, 127.0.0.1:1,[::1]:65535,a.example:8443");
    expect(addresses.map(formatAddress)).toEqual(["a.example:8443", "127.0.0.1:1", "[::1]:65535"]);
  });

  test.each(["", "host", "host:0", "host:65536", "http://host:1", "a:1,,b:2", "host:1/x", "::1:1"])(
    "refuses %j",
    (text) => {
      expect(() => parseAddresses(text)).toThrow("is not an address");
    },
  );
});
