import { type Fields, fieldsOf, isFields, listOf, nodeOf, textOf, lastNameOf } from "./ast.js";

export type Constant = number | string | boolean | null;

/** The value of a constant: literals, also cast, with a sign or joined by ||. Undefined for all else. */
export function constantOf(value: unknown): Constant | undefined {
  const node = nodeOf(value);
  return node === undefined ? undefined : VALUES[node.type]?.(node.fields);
}

const VALUES: Readonly<Record<string, (fields: Fields) => Constant | undefined>> = {
  A_Const: literalOf,
  A_Expr: computed,
  CollateClause: (fields) => constantOf(fields["arg"]),
  TypeCast: (fields) => constantOf(fields["arg"]),
};

/** A member with its default value, 0 or "" or false, is left out of the tree. */
function literalOf(fields: Fields): Constant | undefined {
  if (fields["isnull"] === true) return null;
  const [type] = Object.keys(fields).filter((name) => name in LITERALS);
  const inner = type === undefined ? undefined : fields[type];
  return type === undefined || !isFields(inner) ? undefined : LITERALS[type]?.(inner[type]);
}

const LITERALS: Readonly<Record<string, (value: unknown) => Constant>> = {
  ival: (value) => (typeof value === "number" ? value : 0),
  fval: (value) => Number(textOf(value) ?? "0"),
  sval: (value) => textOf(value) ?? "",
  bsval: (value) => textOf(value) ?? "",
  boolval: (value) => value === true,
};

function computed(fields: Fields): Constant | undefined {
  const operator = lastNameOf(fields["name"]);
  const right = constantOf(fields["rexpr"]);
  if (fields["lexpr"] === undefined) {
    return operator === "-" && typeof right === "number" ? -right : undefined;
  }
  const left = constantOf(fields["lexpr"]);
  if (typeof left === "number" && typeof right === "number") return ARITHMETIC[operator]?.(left, right);
  return operator === "||" && typeof left === "string" && typeof right === "string"
    ? left + right
    : undefined;
}

const ARITHMETIC: Readonly<Record<string, (left: number, right: number) => number>> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
};

/** A value that the client gives beside the text: `$1`. */
export function isParameter(value: unknown): boolean {
  const node = nodeOf(value);
  if (node?.type === "TypeCast") return isParameter(node.fields["arg"]);
  return node?.type === "ParamRef";
}

/** The elements of `ARRAY[…]`, also cast. */
export function elementsOf(value: unknown): readonly unknown[] | undefined {
  const cast = fieldsOf(value, "TypeCast");
  if (cast !== undefined) return elementsOf(cast["arg"]);
  const array = fieldsOf(value, "A_ArrayExpr");
  return array === undefined ? undefined : listOf(array["elements"]);
}
