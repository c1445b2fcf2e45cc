import { expect, it } from "vitest";
import { CookieJar } from "./cookie-jar.js";

const at = (path: string): URL => new URL(path, "http://127.0.0.1:9000");

it("sends a cookie back to its path and below, and nowhere else", () => {
  const jar = new CookieJar();
  jar.store(at("/auth"), ["a=1; Path=/; HttpOnly", "b=2=2; path=/interaction/x"]);
  expect(jar.header(at("/auth"))).toBe("a=1");
  expect(jar.header(at("/interaction/x/login"))).toBe("a=1; b=2=2");
  expect(jar.header(at("/interaction/xy"))).toBe("a=1");
});

it("forgets a cookie that is over", () => {
  const jar = new CookieJar();
  jar.store(at("/"), ["a=1; path=/", "b=1; path=/"]);
  jar.store(at("/"), ["a=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT", "b=; path=/; Max-Age=0"]);
  expect(jar.header(at("/"))).toBe("");
});
