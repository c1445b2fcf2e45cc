import { expect, test } from "vitest";
import { Turns } from "./turns.js";

const later = () => new Promise<void>((resolve) => setImmediate(resolve));

test("what is about the same thing is done one after the other, what is about others at once", async () => {
  const turns = new Turns();
  const said: string[] = [];
  const work = (name: string) => async () => {
    said.push(`${name} begins`);
    await later();
    said.push(`${name} ends`);
  };
  await Promise.all([turns.of("a", work("a1")), turns.of("a", work("a2")), turns.of("b", work("b"))]);
  expect(said.indexOf("a2 begins")).toBeGreaterThan(said.indexOf("a1 ends"));
  expect(said.indexOf("b begins")).toBeLessThan(said.indexOf("a1 ends"));
});

test("what fails keeps nobody from their turn, and is told to whoever asked", async () => {
  const turns = new Turns();
  const failing = turns.of("a", () => Promise.reject(new Error("no")));
  expect(await turns.of("a", () => Promise.resolve(1)).catch(() => undefined)).toBe(1);
  await expect(failing).rejects.toThrow("no");
});

test("a hundred may wait, and then there is room again", async () => {
  const turns = new Turns();
  const waiting = Array.from({ length: 100 }, () => turns.of("a", later));
  await expect(turns.of("a", later)).rejects.toMatchObject({ code: "too_many_requests_pending" });
  await turns.of("b", later);
  await Promise.all(waiting);
  await turns.of("a", later);
});
