/**
 * Nodes that are parts of statements and do nothing by themselves; what is in them is looked at. A node of another type
 * is not known: the statement counts as one that runs code.
 */
export const PLAIN_NODES: ReadonlySet<string> = new Set(
  `
  A_ArrayExpr A_Const A_Expr A_Indices A_Indirection A_Star AccessPriv Alias AlterTableCmd ATAlterConstraint BitString
  BoolExpr Boolean BooleanTest CTECycleClause CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ColumnDef
  ColumnRef CommonTableExpr Constraint CreateOpClassItem CurrentOfExpr DefElem Float FuncCall FunctionParameter
  GroupingFunc GroupingSet IndexElem InferClause Integer IntoClause JoinExpr JsonAggConstructor JsonArgument
  JsonArrayAgg JsonArrayConstructor JsonArrayQueryConstructor JsonBehavior JsonFormat JsonFuncExpr JsonIsPredicate
  JsonKeyValue JsonObjectAgg JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning JsonScalarExpr
  JsonSerializeExpr JsonTable JsonTableColumn JsonTablePathSpec JsonValueExpr List LockingClause MergeSupportFunc
  MergeWhenClause MinMaxExpr MultiAssignRef NamedArgExpr NullTest ObjectWithArgs OnConflictClause ParamRef
  PartitionBoundSpec PartitionCmd PartitionElem PartitionRangeDatum PartitionSpec PublicationObjSpec PublicationTable
  RangeFunction RangeSubselect RangeTableFunc RangeTableFuncCol RangeTableSample RangeVar ResTarget ReturningClause
  ReturningOption RoleSpec RowExpr SQLValueFunction SetToDefault SortBy StatsElem String SubLink TableLikeClause
  TriggerTransition TypeCast TypeName VacuumRelation WindowDef WithClause XmlExpr XmlSerialize
  `
    .trim()
    .split(/\s+/u),
);

/** Members whose node does not say its type, because it can have only one: by name, or by type and name. */
const TYPE_OF_MEMBER: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "AlterDefaultPrivilegesStmt.action": "GrantStmt",
    "CallStmt.funccall": "FuncCall",
    "CreateForeignTableStmt.base": "CreateStmt",
    "CreateOpClassItem.name": "ObjectWithArgs",
    "PartitionCmd.name": "RangeVar",
    alias: "Alias",
    arg: "JsonValueExpr",
    argType: "TypeName",
    authrole: "RoleSpec",
    bound: "PartitionBoundSpec",
    collClause: "CollateClause",
    constrrel: "RangeVar",
    constructor: "JsonAggConstructor",
    context_item: "JsonValueExpr",
    cycle_clause: "CTECycleClause",
    datatype: "TypeName",
    expr: "JsonValueExpr",
    extname: "String",
    format: "JsonFormat",
    fromsql: "ObjectWithArgs",
    func: "ObjectWithArgs",
    grantor: "RoleSpec",
    identitySequence: "RangeVar",
    infer: "InferClause",
    into: "IntoClause",
    intoClause: "IntoClause",
    join_using_alias: "Alias",
    larg: "SelectStmt",
    newowner: "RoleSpec",
    newrole: "RoleSpec",
    ofTypename: "TypeName",
    onConflictClause: "OnConflictClause",
    on_empty: "JsonBehavior",
    on_error: "JsonBehavior",
    opername: "ObjectWithArgs",
    output: "JsonOutput",
    over: "WindowDef",
    owner: "RoleSpec",
    partbound: "PartitionBoundSpec",
    partspec: "PartitionSpec",
    pathspec: "JsonTablePathSpec",
    pktable: "RangeVar",
    pubtable: "PublicationTable",
    rarg: "SelectStmt",
    rel: "RangeVar",
    relation: "RangeVar",
    returnType: "TypeName",
    returning: "JsonReturning",
    returningClause: "ReturningClause",
    role: "RoleSpec",
    search_clause: "CTESearchClause",
    sequence: "RangeVar",
    setstmt: "VariableSetStmt",
    sourcetype: "TypeName",
    storedtype: "TypeName",
    table: "RangeVar",
    targettype: "TypeName",
    tosql: "ObjectWithArgs",
    typeName: "TypeName",
    type_name: "TypeName",
    typevar: "RangeVar",
    user: "RoleSpec",
    val: "JsonValueExpr",
    value: "JsonValueExpr",
    view: "RangeVar",
    withClause: "WithClause",
  }),
);

export function typeOfMember(type: string, member: string): string | undefined {
  return TYPE_OF_MEMBER.get(`${type}.${member}`) ?? TYPE_OF_MEMBER.get(member);
}
