import { isFields, type Node, type NodeFields } from "./parser.js";

/** The tables whose rows are changed: by their names and by their aliases. */
type Targets = ReadonlyMap<string, string>;

const COMPARISONS = new Set(["Eq", "NotEq", "Lt", "LtEq", "Gt", "GtEq", "Spaceship"]);
const TRUE_OF_ITSELF = new Set(["Eq", "LtEq", "GtEq", "Spaceship"]);
const ARITHMETIC = new Set(["Plus", "Minus", "Multiply", "Divide", "Modulo"]);

/** Functions through which a comparison of a column still restricts it. */
const TELLING_FUNCTIONS = new Set(
  `lower upper lcase ucase trim ltrim rtrim date year month day dayofmonth dayofweek dayofyear hour minute second week
  quarter left right substring substr substring_index md5 sha1 sha sha2 char_length length json_extract json_unquote
  json_value datediff timestampdiff unix_timestamp date_format mod coalesce ifnull concat concat_ws abs round floor ceil
  date_add date_sub from_unixtime str_to_date hex bin_to_uuid time weekday yearweek last_day to_days inet_aton`.split(
    /\s+/,
  ),
);

/**
 * Whether a WHERE can leave rows out: as a formula of AND and OR, one comparison of a column with something that is not
 * that column must hold. Anything that is not known to restrict does not.
 */
export function restricts(node: Node, targets: Targets): boolean {
  if (!isFields(node)) return false;
  const [variant, value] = only(node);
  if (variant === "Nested") return restricts(value, targets);
  if (!isFields(value)) return false;
  const rule = RULES[variant];
  return rule !== undefined && rule(value, targets);
}

type Rule = (fields: NodeFields, targets: Targets) => boolean;

const RULES: Readonly<Record<string, Rule>> = {
  BinaryOp: (fields, targets) => {
    const { left, op, right } = fields;
    if (op === "And") return restricts(left, targets) || restricts(right, targets);
    if (op === "Or") return eitherRestricts(fields, targets);
    return typeof op === "string" && COMPARISONS.has(op) && comparisonRestricts(fields, targets);
  },
  UnaryOp: (fields, targets) => fields["op"] === "Not" && negationRestricts(fields["expr"], targets),
  IsNull: (fields) => isColumn(fields),
  IsTrue: (fields) => isColumn(fields) && !isKey(fields),
  IsFalse: (fields) => isColumn(fields),
  IsNotTrue: (fields) => isColumn(fields),
  IsNotFalse: (fields) => isColumn(fields) && !isKey(fields),
  InList: inListRestricts,
  InSubquery: (fields, targets) =>
    isColumnSide(fields["expr"], new Set()) && subqueryRestricts(fields["subquery"], targets),
  AnyOp: quantifiedRestricts,
  AllOp: quantifiedRestricts,
  Exists: (fields, targets) => correlates(fields["subquery"], targets),
  Between: (fields) => {
    const others = [fields["low"], fields["high"]];
    return isColumnSide(fields["expr"], columnsOf(others)) && others.every(isValueSide);
  },
  Like: (fields) => isColumnSide(fields["expr"], new Set()) && patternRestricts(fields["pattern"]),
  RLike: (fields) => isColumnSide(fields["expr"], new Set()) && regexpRestricts(fields["pattern"]),
  MatchAgainst: () => true,
  MemberOf: (fields) => columnsOf(fields["value"]).size + columnsOf(fields["array"]).size === 1,
};

function eitherRestricts(fields: NodeFields, targets: Targets): boolean {
  const branches = branchesOf(fields);
  return branches.every((branch) => restricts(branch, targets)) && !complete(branches);
}

/** The branches of a chain of OR, without recursion on its length. */
function branchesOf(node: Node): Node[] {
  const branches: Node[] = [];
  const open: Node[] = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const inner = isFields(next) ? next["BinaryOp"] : undefined;
    const fields = isFields(next) && "op" in next ? next : inner;
    if (isFields(next) && "Nested" in next) open.push(next["Nested"]);
    else if (isFields(fields) && fields["op"] === "Or") open.push(fields["left"], fields["right"]);
    else branches.push(next);
  }
  return branches;
}

/** Whether branches speak of the same column in ways of which one always holds: `a = 1 or a <> 1`, `a < 5 or a >= 5`. */
function complete(branches: readonly Node[]): boolean {
  const seen = new Map<string, Set<string>>();
  for (const branch of branches) {
    const columns = [...columnsOf(branch)];
    for (const column of columns) {
      const directions = seen.get(column) ?? new Set<string>();
      const direction = directionOf(branch);
      if (excludes(directions, direction)) return true;
      directions.add(direction);
      seen.set(column, directions);
    }
  }
  return false;
}

/** `else`: all but something; `up` and `down`: beyond a value, which is part of the direction. */
function directionOf(branch: Node): string {
  if (!isFields(branch)) return "else";
  const [variant, value] = only(branch);
  const fields = isFields(value) ? value : {};
  if (variant === "UnaryOp" || fields["negated"] === true || variant.startsWith("IsNot")) return "else";
  if (variant !== "BinaryOp") return "some";
  return directionOfComparison(fields);
}

function directionOfComparison(fields: NodeFields): string {
  const turned = !isColumnSide(fields["left"], new Set());
  const bound = boundOf(turned ? fields["left"] : fields["right"]);
  switch (textIn(fields["op"])) {
    case "NotEq":
      return "else";
    case "Lt":
    case "LtEq":
      return `${turned ? "up" : "down"} ${bound}`;
    case "Gt":
    case "GtEq":
      return `${turned ? "down" : "up"} ${bound}`;
    default:
      return "some";
  }
}

/** What a column is compared with, the same for what is the same however it is written. */
function boundOf(node: Node): string {
  const number = signedNumber(node);
  return number === undefined || Number.isNaN(number)
    ? folded(JSON.stringify(withoutSpans(node)))
    : String(number);
}

function excludes(directions: ReadonlySet<string>, direction: string): boolean {
  if (directions.size === 0) return false;
  if (direction === "else" || directions.has("else")) return true;
  const [way, ...bound] = direction.split(" ");
  if (way === "some" || way === undefined) return false;
  return [...directions].some((other) => {
    const [otherWay, ...otherBound] = other.split(" ");
    return otherWay !== "some" && otherWay !== way && meet(way, bound.join(" "), otherBound.join(" "));
  });
}

/** Whether "up from one" and "down from the other" leave nothing between them; unknown values do when they are alike. */
function meet(way: string, bound: string, otherBound: string): boolean {
  const [up, down] = way === "up" ? [bound, otherBound] : [otherBound, bound];
  const [from, to] = [Number(up), Number(down)];
  return up === down || from <= to;
}

/**
 * NOT of one plain comparison leaves rows out as its opposite does; of other formulas nothing is said. Without
 * parentheses a server may take NOT as a part of the left side (HIGH_NOT_PRECEDENCE): that must not leave more rows.
 */
function negationRestricts(node: Node, targets: Targets): boolean {
  if (!isFields(node)) return false;
  const [variant, value] = only(node);
  if (variant === "Nested") return oppositeRestricts(value, targets);
  const isEquation = variant === "BinaryOp" && isFields(value) && value["op"] === "Eq";
  return (isEquation || NEGATED_ANYWHERE.has(variant)) && oppositeRestricts(node, targets);
}

const NEGATED_ANYWHERE = new Set(["InList", "InSubquery", "Like", "RLike", "Exists"]);

function oppositeRestricts(node: Node, targets: Targets): boolean {
  if (!isFields(node)) return false;
  const [variant, value] = only(node);
  if (variant === "Nested") return oppositeRestricts(value, targets);
  if (variant === "BinaryOp" && isFields(value)) return oppositeOfOperation(value, targets);
  if (variant === "InList" && isFields(value)) {
    return inListRestricts({ ...value, negated: value["negated"] !== true }, targets);
  }
  return (NEGATED_ANYWHERE.has(variant) || variant === "Between") && restricts(node, targets);
}

function oppositeOfOperation(fields: NodeFields, targets: Targets): boolean {
  const { left, right } = fields;
  const op = textIn(fields["op"]);
  if (op === "Or") return oppositeRestricts(left, targets) || oppositeRestricts(right, targets);
  const opposite = OPPOSITE[op];
  return opposite !== undefined && comparisonRestricts({ left, op: opposite, right }, targets);
}

const OPPOSITE: Readonly<Record<string, string>> = {
  Eq: "NotEq",
  NotEq: "Eq",
  Lt: "GtEq",
  LtEq: "Gt",
  Gt: "LtEq",
  GtEq: "Lt",
};

function comparisonRestricts(fields: NodeFields, targets: Targets): boolean {
  const { left, right } = fields;
  const op = textIn(fields["op"]);
  if (isTuple(left) && isTuple(right)) {
    return op === "Eq" && tuplesRestrict(left["Tuple"], right["Tuple"], targets);
  }
  return (
    !coversAllKeys(left, op, right) &&
    !sameColumnOfSameTable(left, right, { op, targets }) &&
    ((isColumnSide(left, columnsOf(right)) && isValueSide(right)) ||
      (isColumnSide(right, columnsOf(left)) && isValueSide(left)))
  );
}

const isTuple = (node: Node): node is NodeFields & { Tuple: Node } => isFields(node) && "Tuple" in node;

function tuplesRestrict(left: Node, right: Node, targets: Targets): boolean {
  const [lefts, rights] = [listOf(left), listOf(right)];
  return lefts.some((item, index) =>
    comparisonRestricts({ left: item, op: "Eq", right: rights[index] }, targets),
  );
}

/** `id > 0`, `user_id <> -1`: keys are counted from 1, it is how people write "all of them". */
function coversAllKeys(left: Node, op: string, right: Node): boolean {
  if (isColumn(right) && !isColumn(left)) {
    return coversAllKeys(right, TURNED[op] ?? op, left);
  }
  const bound = signedNumber(right);
  if (bound === undefined) return false;
  // The least value there is: 1 of a key, 0 of a length.
  if (isKey(left)) return coversFrom(1, op, bound);
  return isNeverNegative(left) && coversFrom(0, op, bound);
}

const coversFrom = (least: number, op: string, bound: number): boolean =>
  op === "GtEq" ? bound <= least : (op === "Gt" || op === "NotEq") && bound < least;

const LENGTHS = new Set(["length", "char_length", "octet_length", "bit_length", "abs", "crc32"]);

function isNeverNegative(node: Node): boolean {
  const call = isFields(node) ? node["Function"] : undefined;
  const [name] = isFields(call) ? listOf(call["name"]) : [];
  return LENGTHS.has(identifierIn(name) ?? "");
}

/** By its name; nobody tells us the schema. */
function isKey(node: Node): boolean {
  const [column] = columnsOf(node);
  return isColumn(node) && column !== undefined && /(?:^|[._])id$/.test(column);
}

const TURNED: Readonly<Record<string, string>> = { Lt: "Gt", LtEq: "GtEq", Gt: "Lt", GtEq: "LtEq" };

function signedNumber(node: Node): number | undefined {
  if (!isFields(node)) return undefined;
  const [variant, value] = only(node);
  if (variant === "Nested") return signedNumber(value);
  if (variant === "UnaryOp" && isFields(value) && value["op"] === "Minus") {
    const number = signedNumber(value["expr"]);
    return number === undefined ? undefined : -number;
  }
  const content = valueOf(node);
  return content === undefined ? undefined : numberOf(content);
}

const numberOf = ({
  variant,
  text,
}: {
  readonly variant: string;
  readonly text: string;
}): number | undefined =>
  variant === "Number" || variant.endsWith("QuotedString") ? Number(text) : undefined;

/** The same column of the same table under two names (`a.id = b.id` where both are t) is true of every row itself. */
function sameColumnOfSameTable(
  left: Node,
  right: Node,
  { op, targets }: { readonly op: string; readonly targets: Targets },
): boolean {
  if (!isColumn(left) || !isColumn(right) || !TRUE_OF_ITSELF.has(op)) return false;
  const resolve = (node: Node): string => {
    const [name = ""] = columnsOf(node);
    const dot = name.lastIndexOf(".");
    const table = name.slice(0, Math.max(dot, 0));
    return `${targets.get(table) ?? table}.${name.slice(dot + 1)}`;
  };
  return resolve(left) === resolve(right);
}

function inListRestricts(fields: NodeFields, targets: Targets): boolean {
  const list = listOf(fields["list"]);
  const expr = fields["expr"];
  if (isTuple(expr)) {
    return (
      list.length > 0 &&
      list.every((item) => isTuple(item) && tuplesRestrict(expr["Tuple"], item["Tuple"], targets))
    );
  }
  return (
    list.length > 0 &&
    isColumnSide(expr, columnsOf(list)) &&
    list.every((item) => isValueSide(item)) &&
    !(fields["negated"] === true && list.every((item) => coversAllKeys(expr, "NotEq", item)))
  );
}

function quantifiedRestricts(fields: NodeFields, targets: Targets): boolean {
  const right = fields["right"];
  const query = isFields(right) ? (right["Subquery"] ?? right) : right;
  return isColumnSide(fields["left"], new Set()) && subqueryRestricts(query, targets);
}

/** `id in (select …)`: of other tables, or of the same with a WHERE that restricts; not of a column of the row itself. */
function subqueryRestricts(query: Node, targets: Targets): boolean {
  const select = selectOf(query);
  if (select === undefined) return false;
  const from = listOf(select["from"]);
  const tables = tablesIn(from);
  const projected = [...columnsOf(select["projection"])];
  if (from.length === 0) return projected.length === 0;
  if (
    projected.some(
      (column) =>
        targets.has(column.slice(0, Math.max(column.lastIndexOf("."), 0))) &&
        !tables.some((table) => column.startsWith(`${table}.`)),
    )
  ) {
    return false;
  }
  const names = new Set(targets.values());
  return !tables.some((table) => names.has(table)) || restricts(select["selection"], targets);
}

/** EXISTS leaves rows out when its query compares something with a column of the row. */
function correlates(query: Node, targets: Targets): boolean {
  const select = selectOf(query);
  if (select === undefined || !restricts(select["selection"], targets)) return false;
  const own = new Set(aliasesIn(listOf(select["from"])));
  return [...columnsOf(select["selection"])].some((column) => {
    const table = column.slice(0, Math.max(column.lastIndexOf("."), 0));
    return targets.has(table) && !own.has(table);
  });
}

function selectOf(query: Node): NodeFields | undefined {
  if (!isFields(query)) return undefined;
  const body = query["body"];
  const select = isFields(body) ? body["Select"] : undefined;
  return isFields(select) ? select : undefined;
}

/** A column, or what tells something of one, that is not on the other side too. */
function isColumnSide(node: Node, others: ReadonlySet<string>): boolean {
  const columns = [...columnsOf(node)];
  return (
    columns.length > 0 &&
    isTelling(node) &&
    columns.some((column) => ![...others].some((other) => mayBeSame(column, other)))
  );
}

/** A name without its table may be that of any table. */
function mayBeSame(left: string, right: string): boolean {
  if (left === right) return true;
  const last = (name: string): string => name.slice(name.lastIndexOf(".") + 1);
  return last(left) === last(right) && !(left.includes(".") && right.includes("."));
}

const SEEN_THROUGH = new Set(["Cast", "Convert", "Collate", "Trim", "Substring", "Extract"]);

function isTelling(node: Node): boolean {
  if (!isFields(node)) return false;
  if (isColumn(node)) return true;
  const [variant, value] = only(node);
  if (variant === "Nested") return isTelling(value);
  if (!isFields(value)) return false;
  if (SEEN_THROUGH.has(variant)) return isTelling(value["expr"]);
  if (variant === "Function") return isTellingFunction(value);
  return variant === "BinaryOp" && isTellingArithmetic(value);
}

function isTellingFunction(fields: NodeFields): boolean {
  const name = listOf(fields["name"]);
  const text = name.length === 1 ? identifierIn(name[0]) : undefined;
  return text !== undefined && TELLING_FUNCTIONS.has(text);
}

/** `a + 1`, `a % 2`, `a * b`; what makes the column vanish (`a * 0`, `a % 1`, `a - a`) does not tell. */
function isTellingArithmetic({ left, op, right }: NodeFields): boolean {
  if (typeof op !== "string" || !ARITHMETIC.has(op)) return false;
  const [lefts, rights] = [columnsOf(left), columnsOf(right)];
  if (lefts.size > 0 && rights.size > 0) {
    return isTelling(left) && isTelling(right) && [...lefts].every((column) => !rights.has(column));
  }
  const [column, value] = lefts.size > 0 ? [left, right] : [right, left];
  return isTelling(column) && isValueSide(value) && !vanishes(op, signedNumber(value));
}

const vanishes = (op: string, number: number | undefined): boolean =>
  number === 0 || (op === "Modulo" && number === 1);

const VALUE_VARIANTS = new Set([
  "Value",
  "Identifier",
  "CompoundIdentifier",
  "TypedString",
  "Interval",
  "Nested",
  "Function",
  "Cast",
  "Convert",
  "Collate",
  "UnaryOp",
  "BinaryOp",
  "Subquery",
  "Case",
  "Extract",
  "Substring",
  "Trim",
  "Position",
]);

/** What something is compared with: never a formula, which the server might have read as going on with the WHERE. */
function isValueSide(node: Node): boolean {
  if (!isFields(node)) return false;
  const [variant, value] = only(node);
  if (!VALUE_VARIANTS.has(variant)) return false;
  if (variant === "Nested") return isValueSide(value);
  return !isFields(value) || partsOf(variant, value).every(isValueSide);
}

/** The parts of a value that are values too, if it is one. What stands in parentheses of its own may be anything. */
function partsOf(variant: string, fields: NodeFields): readonly Node[] {
  const op = textIn(fields["op"]);
  switch (variant) {
    case "UnaryOp":
      return [op === "Not" ? undefined : fields["expr"]];
    case "BinaryOp":
      return ARITHMETIC.has(op) ? [fields["left"], fields["right"]] : [undefined];
    case "Cast":
    case "Convert":
    case "Collate":
      return [fields["expr"]];
    case "Interval":
      return [fields["value"]];
    default:
      return [];
  }
}

/** A pattern restricts when a text in it is more than wildcards. */
function patternRestricts(node: Node): boolean {
  return isValueSide(node) && textsIn(node).some((text) => text === "?" || /[^%_]/.test(text));
}

function regexpRestricts(node: Node): boolean {
  return (
    isValueSide(node) &&
    textsIn(node).some((text) => text === "?" || (/\w/.test(text) && !/[*?|]|\{0/.test(text)))
  );
}

function textsIn(node: Node): string[] {
  const texts: string[] = [];
  each(node, (fields) => {
    const content = valueOf(fields);
    if (content !== undefined && /QuotedString$|^Placeholder$/.test(content.variant)) {
      texts.push(content.text);
    }
  });
  return texts;
}

function isColumn(node: Node): boolean {
  if (!isFields(node)) return false;
  if ("Nested" in node) return isColumn(node["Nested"]);
  const name = "Identifier" in node ? identifierIn(node) : undefined;
  return name === undefined ? "CompoundIdentifier" in node : !name.startsWith("@");
}

/**
 * The columns named in a node, in small letters, those of its subqueries left out. A text in double quotes is one too:
 * with ANSI_QUOTES it is a name.
 */
function columnsOf(node: Node): Set<string> {
  const columns = new Set<string>();
  each(node, (fields) => {
    const parts = fields["CompoundIdentifier"];
    const name = Array.isArray(parts) ? namesIn(parts) : identifierIn(fields);
    if (name !== undefined && name !== "" && !name.startsWith("@")) columns.add(name);
    const content = valueOf(fields);
    if (content?.variant === "DoubleQuotedString") columns.add(folded(content.text));
    return !("body" in fields);
  });
  return columns;
}

function identifierIn(node: Node): string | undefined {
  const identifier = isFields(node) ? node["Identifier"] : undefined;
  const value = isFields(identifier) ? identifier["value"] : undefined;
  return typeof value === "string" ? folded(value) : undefined;
}

/** Servers compare names without case, and some letters beyond ASCII as if they were of ASCII. */
const folded = (name: string): string => name.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase();

function namesIn(parts: readonly Node[]): string {
  return parts
    .map((part) => (isFields(part) ? (identifierIn(part) ?? part["value"]) : ""))
    .map((part) => (typeof part === "string" ? folded(part) : ""))
    .join(".");
}

/** The tables of a FROM, those of its derived tables too, as `schema.table` in small letters. */
export function tablesIn(node: Node): string[] {
  const tables: string[] = [];
  each(node, (fields) => {
    const table = fields["Table"];
    const name = isFields(table) ? table["name"] : undefined;
    if (Array.isArray(name)) tables.push(namesIn(name as readonly Node[]));
  });
  return tables;
}

/** By which names the tables of a FROM go in their statement; of each, which table it is. */
export function targetsIn(node: Node): Targets {
  const targets = new Map<string, string>();
  each(node, (fields) => {
    addDerived(fields["Derived"], targets);
    const table = fields["Table"];
    if (!isFields(table) || !Array.isArray(table["name"])) return;
    const name = namesIn(table["name"] as readonly Node[]);
    targets.set(name, name);
    targets.set(name.slice(name.lastIndexOf(".") + 1), name);
    const alias = isFields(table["alias"]) ? table["alias"]["name"] : undefined;
    const value = isFields(alias) ? alias["value"] : undefined;
    if (typeof value === "string") targets.set(folded(value), name);
  });
  return targets;
}

/** A derived table that has all rows of a table is as good as that table. */
function addDerived(derived: Node, targets: Map<string, string>): void {
  if (!isFields(derived)) return;
  const alias = isFields(derived["alias"]) ? derived["alias"]["name"] : undefined;
  const name = isFields(alias) ? alias["value"] : undefined;
  const [table] = tablesIn(derived["subquery"]);
  if (typeof name !== "string" || table === undefined) return;
  if (!restricts(selectOf(derived["subquery"])?.["selection"], targets)) targets.set(folded(name), table);
}

const aliasesIn = (from: readonly Node[]): string[] => {
  const names: string[] = [];
  each(from, (fields) => {
    const table = fields["Table"];
    if (!isFields(table) || !Array.isArray(table["name"])) return;
    const alias = isFields(table["alias"]) ? table["alias"]["name"] : undefined;
    const value = isFields(alias) ? alias["value"] : undefined;
    names.push(typeof value === "string" ? folded(value) : namesIn(table["name"] as readonly Node[]));
  });
  return names;
};

function valueOf(fields: NodeFields): { readonly variant: string; readonly text: string } | undefined {
  const outer = fields["Value"];
  const inner = isFields(outer) ? outer["value"] : undefined;
  if (!isFields(inner)) return undefined;
  const [variant, content] = only(inner);
  const [text] = Array.isArray(content) ? (content as readonly Node[]) : [content];
  return { variant, text: typeof text === "string" ? text : "" };
}

function only(fields: NodeFields): readonly [string, Node] {
  const [first] = Object.entries(fields);
  return first ?? ["", undefined];
}

const textIn = (node: Node): string => (typeof node === "string" ? node : "");

const listOf = (node: Node): readonly Node[] => (Array.isArray(node) ? (node as readonly Node[]) : []);

/** In these stand names of types, functions and tables, and places in the text. */
const NO_COLUMNS = new Set(["span", "data_type", "collation"]);

/** Visits every object of a tree; a visit that answers false leaves out what is within. */
function each(node: Node, visit: (fields: NodeFields) => boolean | undefined | void): void {
  const open: Node[] = [node];
  for (let next = open.pop(); open.length > 0 || next !== undefined; next = open.pop()) {
    if (Array.isArray(next)) open.push(...(next as readonly Node[]));
    else if (isFields(next) && visit(next) !== false) {
      for (const [name, value] of Object.entries(next)) {
        if (!(name === "name" ? "args" in next : NO_COLUMNS.has(name))) open.push(value);
      }
    }
  }
}

function withoutSpans(node: Node): Node {
  if (Array.isArray(node)) return (node as readonly Node[]).map(withoutSpans);
  if (!isFields(node)) return typeof node === "bigint" ? String(node) : node;
  return Object.fromEntries(
    Object.entries(node)
      .filter(([name]) => name !== "span")
      .map(([name, value]) => [name, withoutSpans(value)]),
  );
}
