import { type AstNode, isFields } from "./ast.js";
import type { CteScope } from "./cte-scope.js";

export function touchesAllRows({ type, fields }: AstNode, _ctes: CteScope | undefined): boolean {
  return type !== "InsertStmt" && !isFields(fields["whereClause"]);
}
