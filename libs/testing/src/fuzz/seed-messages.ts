const MODERN_META = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"fuzz","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`;

const call = (method: string, params: string, id = "1"): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${params}}}`;
const tell = (method: string, params: string): string =>
  `{"jsonrpc":"2.0","method":"${method}","params":{${params}}}`;

/** Valid messages of clients, of both eras, from which others are made. Latin-1 text only. */
export const CLIENT_MESSAGES: readonly string[] = [
  call(
    "initialize",
    `"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}`,
  ),
  call("initialize", `"protocolVersion":"2025-03-26","capabilities":{"roots":{}},${MODERN_META}`, `"i"`),
  tell("notifications/initialized", ""),
  `{"jsonrpc":"2.0","id":2,"method":"ping"}`,
  call("tools/list", `"cursor":"b3BhcXVl"`, `"list"`),
  call(
    "tools/call",
    `"name":"read","arguments":{"path":"/srv/a","n":1234567890123456789,"x":1.0,"deep":[{"a":[]}]}`,
  ),
  call(
    "tools/call",
    `"name":"destroy","arguments":{"name":"read","id":7,"method":"ping"}`,
    "9007199254740993",
  ),
  call("tools/call", `"_meta":{"progressToken":"t-1"},"name":"read","arguments":{}`, `"a\\u0062c"`),
  call(
    "tools/call",
    `"name":"read","arguments":{"text":"ada@example.test \\ud83d\\ude00"},${MODERN_META}`,
    "-0",
  ),
  call("prompts/get", `"name":"greet","arguments":{"who":"x"}`),
  call("resources/read", `"uri":"file:///srv/data.txt",${MODERN_META}`, "3"),
  call("resources/subscribe", `"uri":"file:///srv/data.txt"`),
  call(
    "completion/complete",
    `"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"a","value":"b"}`,
  ),
  call(
    "completion/complete",
    `"ref":{"type":"ref/resource","uri":"file:///{p}"},"argument":{"name":"p","value":""}`,
  ),
  call("subscriptions/listen", `"notifications":{"toolsListChanged":true},${MODERN_META}`, `"s"`),
  call(
    "subscriptions/listen",
    `"notifications":{"resourceSubscriptions":["file:///srv/data.txt"],"taskIds":["task-1"]},${MODERN_META}`,
    `"l"`,
  ),
  call("server/discover", MODERN_META, "5"),
  call("tasks/get", `"taskId":"task-1"`),
  call("tasks/cancel", `"taskId":"task-1",${MODERN_META}`),
  call("vendor/thing", `"anything":[1,2,3]`),
  tell("notifications/cancelled", `"requestId":1,"reason":"enough"`),
  tell("notifications/progress", `"progressToken":"t-1","progress":0.5`),
  `{"jsonrpc":"2.0","id":7,"result":{"action":"accept","content":{"a":1}}}`,
  `{"jsonrpc":"2.0","id":"r","error":{"code":-32601,"message":"no"}}`,
  `[${call("tools/call", `"name":"read","arguments":{}`)},${tell("notifications/initialized", "")}]`,
];

/** Valid messages of targets. Latin-1 text only. */
export const TARGET_MESSAGES: readonly string[] = [
  `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"mail ada@example.test or 4111 1111 1111 1111"}]}}`,
  `{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"read","inputSchema":{"type":"object"}},{"name":"destroy"}],"nextCursor":"x"}}`,
  `{"jsonrpc":"2.0","id":3,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`,
  `{"jsonrpc":"2.0","id":4,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}}},"requestState":"b3BhcXVl"}}`,
  `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool","data":{"n":1.0}}}`,
  `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`,
  `{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{"messages":[],"maxTokens":5}}`,
  `{"jsonrpc":"2.0","id":77,"method":"roots/list"}`,
  `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"token AKIAIOSFODNN7EXAMPLE"}}`,
  `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t-1","progress":1,"total":2}}`,
  `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`,
  `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","_meta":{"io.modelcontextprotocol/subscriptionId":1}}}`,
  `{"jsonrpc":"2.0","id":2,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`,
];
