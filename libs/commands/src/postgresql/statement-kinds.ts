import type { Effect } from "./findings.js";

export interface StatementKind {
  /** As in SQL_FACTS.kinds. */
  readonly kind: string;
  readonly effects: readonly Effect[];
}

const READ: readonly Effect[] = [];
const WRITES: readonly Effect[] = ["writes"];
const ACTS: readonly Effect[] = ["acts"];
const SESSION: readonly Effect[] = ["changesSession"];
const DDL: readonly Effect[] = ["ddl"];
const DDL_AND_CODE: readonly Effect[] = ["ddl", "runsCode"];
const DDL_AND_OUT: readonly Effect[] = ["ddl", "reachesOut"];
const DDL_AND_PRIVILEGES: readonly Effect[] = ["ddl", "privileges"];

/** A statement that is not in the table, such as one of a later PostgreSQL. */
export const UNKNOWN_STATEMENT: StatementKind = { kind: "other", effects: ["runsCode", "acts"] };

const BY_KIND: Readonly<
  Record<string, readonly (readonly [effects: readonly Effect[], nodeTypes: string])[]>
> = {
  // What SELECT … INTO and FOR UPDATE do is found in their clauses.
  select: [[READ, "SelectStmt ReturnStmt"]],
  insert: [[WRITES, "InsertStmt"]],
  update: [[WRITES, "UpdateStmt"]],
  delete: [[WRITES, "DeleteStmt"]],
  merge: [[WRITES, "MergeStmt"]],
  truncate: [[["writes", "deletesAll"], "TruncateStmt"]],
  copy: [[READ, "CopyStmt"]],
  show: [[READ, "VariableShowStmt"]],
  explain: [[READ, "ExplainStmt"]],
  set: [[SESSION, "VariableSetStmt ConstraintsSetStmt"]],
  transaction: [[SESSION, "TransactionStmt"]],
  lock: [[ACTS, "LockStmt"]],
  maintenance: [
    [ACTS, "VacuumStmt ClusterStmt ReindexStmt CheckPointStmt"],
    [WRITES, "RefreshMatViewStmt"],
  ],
  do: [[["runsCode"], "DoStmt"]],
  call: [[["runsCode"], "CallStmt"]],
  grant: [[["privileges"], "GrantStmt GrantRoleStmt"]],
  create: [
    [
      DDL,
      "CreateStmt CreateSchemaStmt CreateSeqStmt IndexStmt ViewStmt CreateStatsStmt CreateEnumStmt CompositeTypeStmt CreateRangeStmt CreateDomainStmt CreatedbStmt",
    ],
    [["ddl", "writes"], "CreateTableAsStmt"],
    [
      DDL_AND_CODE,
      "DefineStmt CreateFunctionStmt CreateTrigStmt CreateEventTrigStmt RuleStmt CreatePLangStmt CreateExtensionStmt CreateCastStmt CreateTransformStmt CreateConversionStmt CreateOpClassStmt CreateOpFamilyStmt CreateAmStmt",
    ],
    [
      DDL_AND_OUT,
      "CreateFdwStmt CreateForeignServerStmt CreateForeignTableStmt ImportForeignSchemaStmt CreateSubscriptionStmt CreatePublicationStmt CreateTableSpaceStmt",
    ],
    [DDL_AND_PRIVILEGES, "CreatePolicyStmt CreateRoleStmt"],
    [["ddl", "privileges", "reachesOut"], "CreateUserMappingStmt"],
  ],
  alter: [
    [
      DDL,
      "AlterTableStmt RenameStmt AlterObjectSchemaStmt AlterObjectDependsStmt AlterCollationStmt AlterDomainStmt AlterSeqStmt AlterStatsStmt AlterEnumStmt AlterTypeStmt AlterDatabaseStmt AlterDatabaseRefreshCollStmt AlterDatabaseSetStmt AlterTableSpaceOptionsStmt AlterTableMoveAllStmt AlterTSDictionaryStmt AlterTSConfigurationStmt ReplicaIdentityStmt",
    ],
    [
      DDL_AND_CODE,
      "AlterFunctionStmt AlterEventTrigStmt AlterExtensionStmt AlterExtensionContentsStmt AlterOperatorStmt AlterOpFamilyStmt",
    ],
    [DDL_AND_OUT, "AlterFdwStmt AlterForeignServerStmt AlterPublicationStmt AlterSubscriptionStmt"],
    [
      DDL_AND_PRIVILEGES,
      "AlterOwnerStmt AlterPolicyStmt AlterRoleStmt AlterRoleSetStmt AlterSystemStmt AlterDefaultPrivilegesStmt ReassignOwnedStmt",
    ],
    [["ddl", "privileges", "reachesOut"], "AlterUserMappingStmt"],
  ],
  drop: [
    [DDL, "DropStmt DropdbStmt DropTableSpaceStmt"],
    [DDL_AND_OUT, "DropSubscriptionStmt"],
    [DDL_AND_PRIVILEGES, "DropRoleStmt DropOwnedStmt DropUserMappingStmt"],
  ],
  other: [
    [["runsCode"], "ExecuteStmt"],
    [["runsCode", "reachesOut"], "LoadStmt"],
    [ACTS, "NotifyStmt"],
    [
      SESSION,
      "PrepareStmt DeallocateStmt DiscardStmt ListenStmt UnlistenStmt DeclareCursorStmt FetchStmt ClosePortalStmt",
    ],
    [DDL, "CommentStmt"],
    [DDL_AND_PRIVILEGES, "SecLabelStmt"],
  ],
};

/** By the type of the statement's node. What depends on more than the type is in statement-effects.ts. */
export const STATEMENT_KINDS: ReadonlyMap<string, StatementKind> = new Map(
  Object.entries(BY_KIND).flatMap(([kind, groups]) =>
    groups.flatMap(([effects, nodeTypes]) =>
      nodeTypes.split(" ").map((type): [string, StatementKind] => [type, { kind, effects }]),
    ),
  ),
);
