// Which folder may import which. docs/adr and ARCHITECTURE.md say why; this file makes it so.
const CONTROL_PLANE_FEATURE = "^apps/control-plane/src/(?!platform/|generated/)([^/]+)/";

export default {
  forbidden: [
    {
      name: "libs-know-no-apps",
      severity: "error",
      from: { path: "^libs/" },
      to: { path: "^apps/" },
    },
    {
      name: "apps-are-islands",
      comment: "processes meet on the wire: gRPC, HTTP, Postgres",
      severity: "error",
      from: { path: "^apps/([^/]+)/" },
      to: { path: "^apps/", pathNot: "^apps/$1/" },
    },
    {
      name: "pure-libs-do-no-io",
      comment:
        "what decides, masks and records must give the same answer everywhere, with no framework and no I/O",
      severity: "error",
      from: {
        path: "^libs/(mcp|policy|masking|recording|contracts|commands)/src",
        pathNot: "\\.test\\.ts$|/fixtures/",
      },
      to: {
        pathNot:
          "^libs/(mcp|policy|masking|recording|contracts|commands)/src|node_modules/(zod|yaml|re2js|libpg-query|unbash|@marcbachmann/cel-js|@guanmingchiu/sqlparser-ts)/|^(node:)?(crypto|buffer|zlib|util|module)$",
      },
    },
    {
      name: "the-agent-stays-small",
      comment: "it runs in somebody's private network: no framework, no ORM, nothing of the REST API",
      severity: "error",
      from: { path: "^apps/agent/" },
      to: { path: "node_modules/(@nestjs|@prisma|prisma)/|^libs/contracts/" },
    },
    {
      name: "tests-and-demo-stay-out-of-products",
      severity: "error",
      from: {
        path: "^apps/(agent|cli|console|control-plane)/src",
        pathNot: "\\.test\\.ts$|/fakes/",
      },
      to: { path: "^libs/(testing|embedded)/" },
    },
    {
      name: "prisma-stays-in-repositories",
      severity: "error",
      from: {
        path: "^apps/control-plane/src",
        pathNot: "\\.repository\\.ts$|/platform/database\\.ts$|/generated/|\\.test\\.ts$",
      },
      to: { path: "/generated/prisma/" },
    },
    {
      name: "features-meet-at-index",
      severity: "error",
      from: { path: CONTROL_PLANE_FEATURE },
      to: { path: CONTROL_PLANE_FEATURE, pathNot: "^apps/control-plane/src/$1/|/index\\.ts$" },
    },
    {
      name: "platform-knows-no-feature",
      severity: "error",
      from: { path: "^apps/control-plane/src/platform/", pathNot: "\\.test\\.ts$" },
      to: { path: CONTROL_PLANE_FEATURE },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: { pathNot: "/generated/" },
      to: { circular: true },
    },
    {
      name: "no-missing-modules",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: "swc",
    tsPreCompilationDeps: true,
    exclude: { path: "/dist/" },
    doNotFollow: { path: "node_modules|/generated/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@drawbridge/source", "import", "types", "default"],
      extensions: [".ts", ".tsx", ".mjs", ".js", ".json"],
    },
  },
};
