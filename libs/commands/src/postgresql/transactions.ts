import { type Fields, fieldsOf, textOf } from "./ast.js";

const WITHIN: ReadonlySet<string> = new Set([
  "TRANS_STMT_SAVEPOINT",
  "TRANS_STMT_RELEASE",
  "TRANS_STMT_ROLLBACK_TO",
]);

/**
 * The statements of a text that begin, divide and end its own transactions: when it ends each one that it begins, and
 * ends no other, the session is after it as it was before. None otherwise.
 */
export function ownTransactions(statements: readonly unknown[]): ReadonlySet<unknown> {
  const own = new Set<unknown>();
  let isOpen = false;
  for (const statement of statements) {
    const transaction = fieldsOf(statement, "TransactionStmt");
    if (transaction === undefined) continue;
    const kind = kindOf(transaction);
    if (kind === "begins" && !isOpen) isOpen = true;
    else if (kind === "ends" && isOpen) isOpen = false;
    else if (kind !== "within" || !isOpen) return NONE;
    own.add(statement);
  }
  return isOpen ? NONE : own;
}

const NONE: ReadonlySet<unknown> = new Set();

function kindOf(transaction: Fields): "begins" | "ends" | "within" | undefined {
  const kind = textOf(transaction["kind"]) ?? "";
  if (kind === "TRANS_STMT_BEGIN" || kind === "TRANS_STMT_START") return "begins";
  if (kind === "TRANS_STMT_COMMIT" || kind === "TRANS_STMT_ROLLBACK")
    return transaction["chain"] === true ? undefined : "ends";
  return WITHIN.has(kind) ? "within" : undefined;
}
