import { expect, test } from "vitest";
import { Turns } from "./turns.js";

const later = () => new Promise<void>((resolve) => setImmediate(resolve));

test("what is about the same thing is done one after the other, what is about others at once", async () => {
  const turns = new Turns({ atOnce: 1 });
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

test("as many as may are under way at once, the others in the order in which they came", async () => {
  const turns = new Turns({ atOnce: 2 });
  const begun: number[] = [];
  let underWay = 0;
  let most = 0;
  const work = (number: number) => async () => {
    begun.push(number);
    underWay += 1;
    most = Math.max(most, underWay);
    await later();
    underWay -= 1;
  };
  await Promise.all([1, 2, 3, 4, 5].map((number) => turns.of("a", work(number))));
  expect(most).toBe(2);
  expect(begun).toEqual([1, 2, 3, 4, 5]);
});

test("what fails keeps nobody from their turn, and is told to whoever asked", async () => {
  const turns = new Turns({ atOnce: 1 });
  const failing = turns.of("a", () => Promise.reject(new Error("no")));
  const next = turns.of("a", () => Promise.resolve(1));
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe(1);
});

test("so many may be there, and then there is room again", async () => {
  const turns = new Turns({ atOnce: 1, most: 100, tooMany: () => new Error("come back later") });
  const waiting = Array.from({ length: 100 }, () => turns.of("a", later));
  await expect(turns.of("a", later)).rejects.toThrow("come back later");
  await turns.of("b", later);
  await Promise.all(waiting);
  await turns.of("a", later);
});
