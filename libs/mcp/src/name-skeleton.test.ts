import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nameSkeleton } from "./name-skeleton.js";

describe("nameSkeleton", () => {
  test.each<[string, string]>([
    ["Read_File", "read_file"],
    ["READ_FILE", "read_file"],
    ["rеаd_filе", "read_file"],
    ["ｒｅａｄ_file", "read_file"],
    ["𝐫𝐞𝐚𝐝_file", "read_file"],
    ["re\u200bad_file", "read_file"],
    [" read_file\t", "read_file"],
    ["read-file", "read_file"],
    ["files.read", "files_read"],
    ["files/read", "files_read"],
    ["read__file", "read_file"],
    ["Iist_files", "list_files"],
    ["1ist_files", "list_files"],
    ["read_fi1e", "read_file"],
    ["l0gin", "login"],
    ["rnail", "mail"],
    ["vvrite", "write"],
    ["СОРУ", "copy"],
    ["ѕеnd", "send"],
    ["ρατη", "patn"],
    ["reaԁ", "read"],
    ["ꜱend", "send"],
  ])("%s collides with %s", (a, b) => {
    expect(nameSkeleton(a)).toBe(nameSkeleton(b));
  });

  test.each<[string, string]>([
    ["read_file", "write_file"],
    ["read_file", "readFile"],
    ["read_file", "read_files"],
    ["get_user", "set_user"],
    ["файл", "file"],
    ["名前", "名"],
    ["é", "e"],
  ])("%s does not collide with %s", (a, b) => {
    expect(nameSkeleton(a)).not.toBe(nameSkeleton(b));
  });

  test("taken of a skeleton is that skeleton", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (name) => {
        expect(nameSkeleton(nameSkeleton(name))).toBe(nameSkeleton(name));
      }),
    );
  });
});
