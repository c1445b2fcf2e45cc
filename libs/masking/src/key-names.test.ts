import { expect, test } from "vitest";

import { isNoSecret, sensitiveName } from "./key-names.js";

test.each([
  ["password", "password"],
  ["DB_PASSWORD", "password"],
  ["dbPassword2", "password"],
  ["contraseña", "password"],
  ["//registry.example.com/:_authToken", "token"],
  ["spring.datasource.password", "password"],
  ["x-api-key", "secret"],
  ["clientSecret", "secret"],
  ["connectionString", "secret"],
  ["JSESSIONID", "cookie"],
  ["ssn", "ssn"],
  ["card number", "card"],
])("%s promises a %s", (name, kind) => {
  expect(sensitiveName(name)?.kind).toBe(kind);
});

test.each([
  "author",
  "compass",
  "keys",
  "key",
  "public_key",
  "has_password",
  "csrf_token",
  "page_token",
  "[REDACTED:password]",
  "password=x",
  "",
  "p",
  "x".repeat(500),
])("%s promises nothing", (name) => {
  expect(sensitiveName(name)).toBeUndefined();
});

test.each([
  "",
  "  ",
  "null",
  "${PASSWORD}",
  "$PASSWORD",
  "{{ password }}",
  "<password>",
  "%PASSWORD%",
  "********",
  "os.environ['X']",
  "[REDACTED:secret]",
  "op://vault/item",
])("%s is no secret", (value) => {
  expect(isNoSecret(value)).toBe(true);
});

test.each(["hunter2", "${half", "correct horse battery staple", "null2"])("%s may be one", (value) => {
  expect(isNoSecret(value)).toBe(false);
});
