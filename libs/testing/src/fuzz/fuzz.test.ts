import { describe, expect, test } from "vitest";
import { type FoundInput, fuzz, type FuzzSettings, type FuzzSurface } from "./fuzz.js";
import { inPieces, mutatedMessage } from "./mutate.js";
import { Random } from "./random.js";
import { CLIENT_MESSAGES } from "./seed-messages.js";

const settings = (changes: Partial<FuzzSettings> = {}): FuzzSettings => ({
  iterations: 100,
  seed: 7,
  found: [],
  ...changes,
});

function surface(check: FuzzSurface["check"]): FuzzSurface {
  const generate = (random: Random) => mutatedMessage(random, CLIENT_MESSAGES);
  return { name: "some", share: 500, generate, check };
}

async function fed(changes: Partial<FuzzSettings> = {}): Promise<string[]> {
  const inputs: string[] = [];
  await fuzz(
    surface((bytes, random) => void inputs.push(`${random.next()} ${Buffer.from(bytes).toString("hex")}`)),
    settings(changes),
  );
  return inputs;
}

describe("fuzzing", () => {
  test("feeds a surface its share, the same for the same seed", async () => {
    const inputs = await fed();
    expect(inputs).toHaveLength(50);
    expect(await fed()).toEqual(inputs);
    expect(await fed({ seed: 8 })).not.toEqual(inputs);
    expect(await fed({ surface: "some" })).toHaveLength(100);
  });

  test("tells what failed, made smaller, in a way that can be fed again", async () => {
    const check = (bytes: Uint8Array) => {
      if (Buffer.from(bytes).includes("tools/call")) throw new Error("it fails");
    };
    const failed = await fuzz(surface(check), settings()).catch((error: Error) => error.message);
    const entry = /seeds\.json: (\{.*\})/.exec(String(failed))?.[1];
    const found = JSON.parse(entry ?? "null") as FoundInput;
    expect(Buffer.from(found.bytes, "base64").toString()).toBe("tools/call");
    await expect(fuzz(surface(check), settings({ iterations: 0, found: [found] }))).rejects.toThrow(
      "it fails",
    );
  });

  test("counts the messages that a check says it had", async () => {
    expect(
      await fuzz(
        surface(() => 20),
        settings(),
      ),
    ).toBe(60);
  });

  test("cuts bytes into pieces and loses none", () => {
    const random = new Random(1);
    const bytes = Buffer.from("some bytes that are cut");
    for (let tries = 0; tries < 100; tries++) expect(Buffer.concat(inPieces(bytes, random))).toEqual(bytes);
  });
});
