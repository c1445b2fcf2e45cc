import { type AstNode, type Fields, listOf, nodeOf, textOf, lastNameOf } from "./ast.js";
import { mirrored, negated } from "./comparison.js";
import { constantOf } from "./constants.js";
import { type Rows, columnsIn, shareNames, spend } from "./rows.js";

/** More alternatives than this are believed only when each names a value. */
const MAX_ALTERNATIVES = 60;

/** One alternative of an OR: what it compares, how, and with what. */
interface Atom {
  /** The compared expression as text, so that it is found again. */
  readonly key: string;
  readonly columns: ReadonlySet<string>;
  readonly operator: string;
  readonly value: unknown;
}

/**
 * Whether alternatives, each of which leaves rows out, may leave out none together: `a is null or a is not null`,
 * `a < 5 or a >= 5`, `a <> 1 or a <> 2`. In doubt they may.
 */
export function coversAllTogether(args: readonly unknown[], positive: boolean, rows: Rows): boolean {
  const alternatives = args.map((arg) => ({
    atoms: atomsOf(arg, positive, rows),
    hasParts: hasSeveralParts(arg, positive, rows),
  }));
  const atoms = alternatives.flatMap((alternative) => alternative.atoms);
  if (atoms.every(({ operator }) => NAMING.has(operator))) return false;
  if (atoms.length > MAX_ALTERNATIVES) return true;
  return alternatives.some((one, index) =>
    alternatives.slice(index + 1).some((other) => {
      // Two that each ask for several things leave out what has one and not the other; four of them may not.
      if (one.hasParts && other.hasParts && alternatives.length < 4) return false;
      return one.atoms.some((atom) =>
        other.atoms.some((opposite) => covers(atom, opposite) || covers(opposite, atom)),
      );
    }),
  );
}

/** Operators of alternatives that each name values: however many there are, they leave out all other values. */
const NAMING: ReadonlySet<string> = new Set(["=", "in", "null"]);

/** Whether an alternative asks for several things of which each leaves rows out. */
function hasSeveralParts(condition: unknown, positive: boolean, rows: Rows): boolean {
  const { type, fields } = nodeOf(condition) ?? { type: "", fields: {} };
  if (type !== "BoolExpr" || fields["boolop"] !== (positive ? "AND_EXPR" : "OR_EXPR")) return false;
  return listOf(fields["args"]).filter((arg) => rows.restricts(arg, positive, rows)).length > 1;
}

function atomsOf(condition: unknown, positive: boolean, rows: Rows): readonly Atom[] {
  if (!spend(rows, 3)) return [unclear()];
  const node = nodeOf(condition);
  if (node === undefined) return [unclear()];
  if (node.type !== "BoolExpr") return [atomOf(node, positive, rows)];
  const args = listOf(node.fields["args"]);
  if (node.fields["boolop"] === "NOT_EXPR") return atomsOf(args[0], !positive, rows);
  // Alternatives of alternatives are alternatives; of several parts that must hold, each is looked at.
  return args.flatMap((arg) => atomsOf(arg, positive, rows));
}

function unclear(): Atom {
  return { key: "", columns: new Set(), operator: "unclear", value: undefined };
}

function atomOf(node: AstNode, positive: boolean, rows: Rows): Atom {
  const { type, fields } = turned(node);
  const whole = { [type]: fields };
  const compared = type === "A_Expr" ? fields["lexpr"] : (fields["arg"] ?? fields["testexpr"] ?? whole);
  return {
    key: keyOf(compared, rows),
    columns: columnsIn(whole, rows),
    operator: operatorOf({ type, fields }, positive),
    value: type === "A_Expr" ? constantOf(fields["rexpr"]) : undefined,
  };
}

/** `5 >= age` as `age <= 5`. */
function turned(node: AstNode): AstNode {
  const { lexpr, rexpr, name } = node.fields;
  const mirror = mirrored(lastNameOf(name));
  if (constantOf(lexpr) === undefined || mirror === undefined) return node;
  return {
    type: node.type,
    fields: { ...node.fields, lexpr: rexpr, rexpr: lexpr, name: [{ String: { sval: mirror } }] },
  };
}

function keyOf(value: unknown, rows: Rows): string {
  const key =
    JSON.stringify(value, (name, member: unknown) => (name.endsWith("location") ? undefined : member)) ?? "";
  return spend(rows, key.length / 50) ? key : "";
}

function operatorOf({ type, fields }: AstNode, positive: boolean): string {
  switch (type) {
    case "NullTest":
      return (fields["nulltesttype"] === "IS_NULL") === positive ? "null" : "not null";
    case "SubLink":
      return positive ? "in" : "other";
    case "BooleanTest":
      return /IS_(?:TRUE|NOT_FALSE)/u.test(String(fields["booltesttype"])) === positive ? "true" : "false";
    case "A_Expr":
      return comparisonOf(fields, positive);
    default:
      return positive ? "true" : "false";
  }
}

function comparisonOf(fields: Fields, positive: boolean): string {
  const kind = textOf(fields["kind"]) ?? "";
  if (kind.includes("BETWEEN")) return kind.includes("NOT") === positive ? "other" : "between";
  if (kind === "AEXPR_DISTINCT") return positive ? "other" : "=";
  const value = constantOf(fields["rexpr"]);
  if (typeof value === "boolean") return value === positive ? "true" : "false";
  const operator = plainOperator(fields, positive);
  if (kind !== "AEXPR_IN") return operator;
  return operator === "=" ? "in" : "other";
}

function plainOperator(fields: Fields, positive: boolean): string {
  const name = lastNameOf(fields["name"]);
  const operator = name === "!=" ? "<>" : name;
  return positive ? operator : (negated(operator) ?? "other");
}

const DENYING: ReadonlySet<string> = new Set([
  "<>",
  "other",
  "!~~",
  "!~~*",
  "!~",
  "!~*",
  "not null",
  "false",
]);
const BELOW: ReadonlySet<string> = new Set(["<", "<="]);
const ABOVE: ReadonlySet<string> = new Set([">", ">="]);

/** What one alternative denies of a column, or leaves open on one side, another of the same column may take. */
function covers(atom: Atom, other: Atom): boolean {
  if (atom.operator === "unclear") return true;
  if (DENYING.has(atom.operator)) {
    // `status <> 'x' or status is null` says only that null is none of them.
    if (other.operator === "null" && atom.operator !== "not null") return false;
    return shareNames(atom.columns, other.columns);
  }
  if (atom.key !== other.key || !BELOW.has(atom.operator) || !ABOVE.has(other.operator)) return false;
  return !leavesGap(atom.value, other.value);
}

function leavesGap(upTo: unknown, from: unknown): boolean {
  if (typeof upTo === "number" && typeof from === "number") return upTo < from;
  return typeof upTo === "string" && typeof from === "string" && upTo < from;
}
