import type { Analysis, Call } from "./analysis.js";
import { behind, couldBeOption, type Field } from "./field.js";
import { hasOption, operandsOf, takesNextWord } from "./options.js";
import { judgeWrittenPath } from "./paths.js";

const READS =
  /^(?:list|describe|get|show|ls|info|status|version|search|tail|read|help|head|wait|whoami|explain|lookup|query|scan|filter|check|test-iam|print|batch-get|validate|estimate|generate-url|list-.*|describe-.*|get-.*|batch-get-.*|head-.*|show-.*|lookup-.*|search-.*|filter-.*|check-.*|query-.*|select-.*)$/;
const REMOVES =
  /^(?:delete|remove|rm|rb|destroy|purge|terminate|stop|deregister|revoke|disable|reset|drop|detach|cancel|disassociate|wipe|kill|reboot|uninstall|deallocate|release|(?:delete|remove|terminate|stop|deregister|revoke|disable|reset|detach|cancel|disassociate|purge|batch-delete|release|reboot|destroy|abort|schedule)-.*)$/;
const RIGHTS =
  /iam|policy|policies|role|permission|secret|kms|sts|auth|login|credential|access-key|keys|user|acl|authorize/;

const RUNS =
  /^(?:configure|run|ssh|exec|invoke|deploy|execute.*|send-command|start-session|import|run-.*|invoke-.*)$/;

const VERB_FIRST = new Set(["gsutil", "bq"]);

const VALUED =
  "region profile output project zone format query filter filters subscription resource-group account configuration limit sort-by bucket name g o n instance-ids log-group-name cluster endpoint-url prefix max-items page-size key table-name";

/** aws, gcloud, az and their like: a verb among the operands says what is done; another verb runs code. */
export function judgeCloud(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  found.mark("network");
  const operands = operandsOf(call.words, VALUED);
  const words = operands.map((word) => word.text ?? "");
  if (call.words.length === 1 && couldBeOption(call.words[0] as Field)) return;
  if (call.words.some((word) => word.splits)) found.mark("dynamic");
  // The first word is a group, as "search" in `az search service delete`; the first verb behind it decides.
  const verbs = VERB_FIRST.has(call.name) ? words : words.slice(1);
  const verb = verbs.find((word) => word === "" || REMOVES.test(word) || READS.test(word));
  if (verb === undefined || verb === "") judgeChange(analysis, call, words);
  else if (REMOVES.test(verb)) found.mark("destructive");
  else if (/secret-value|login|access-token/.test(words.join(" "))) found.mark("privileges");
}

function judgeChange(analysis: Analysis, call: Call, words: readonly string[]): void {
  const { found } = analysis;
  found.mark("writes");
  if (words.slice(0, 4).some((word) => RIGHTS.test(word))) found.mark("privileges");
  if (words.slice(0, 5).some((word) => RUNS.test(word))) found.mark("runsCode");
  if (hasOption(call.words, "delete force overwrite no-preserve purge")) found.mark("destructive");
  if (call.name === "gsutil" && words.includes("rsync") && hasOption(call.words, "d"))
    found.mark("destructive");
}

const REDIS_READS = new Set(
  `get mget exists keys scan type ttl pttl strlen hget hgetall hmget hkeys hvals hlen hexists hscan llen lrange lindex
   smembers scard sismember sscan zrange zrangebyscore zcard zscore zcount zrank zscan zrevrange dbsize ping info time
   lastsave echo getrange bitcount pfcount xlen xrange xinfo randomkey object memory llen slowlog monitor`.split(
    /\s+/,
  ),
);
const REDIS_WRITES = new Set(
  "set setex setnx mset append incr incrby decr decrby hset hmset hincrby lpush rpush sadd zadd expire pexpire persist publish xadd setrange getset".split(
    " ",
  ),
);
/** What has commands within it, to read and to forget. */
const KEEPS = /^(?:slowlog|memory)$/i;
const REDIS_VALUED = "h p a n u r i s t d D user pass pattern";

function forgets(command: Field | undefined, action: Field | undefined): boolean {
  if (action === undefined || !KEEPS.test(command?.text ?? "")) return false;
  return action.text === undefined || /^(?:reset|purge)$/i.test(action.text);
}

/** redis-cli: the first operand is the command. */
export function judgeRedis(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  found.mark("network");
  const [command, action] = operandsOf(call.words, REDIS_VALUED);
  if (forgets(command, action)) found.mark("destructive");
  if (hasOption(call.words, "eval pipe x cluster functions-rdb rdb", REDIS_VALUED)) found.mark("runsCode");
  if (command === undefined) {
    if (call.feed.fed) found.mark("pipesIntoInterpreter");
    else if (
      !call.words.some((word) => /^-(?:v|-version|-help|-stat|-latency|-bigkeys|-scan)/.test(word.prefix))
    )
      found.mark("runsCode");
    return;
  }
  judgeRedisCommand(analysis, command);
}

function judgeRedisCommand({ found }: Analysis, command: Field): void {
  const name = command.text?.toLowerCase();
  if (name === undefined) found.mark("dynamic");
  else if (REDIS_WRITES.has(name)) found.mark("writes");
  else if (/^(?:eval|evalsha|script|fcall|function|module|config|acl|debug|replicaof|slaveof)/.test(name))
    found.mark("runsCode", "privileges", "destructive");
  else if (!REDIS_READS.has(name)) found.mark("destructive");
}

/** Other clients of stores: their scripts are code. */
export function judgeStoreClient(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  found.mark("network");
  if (call.words.length === 1 && /^--?(?:version|help|V)$/.test(call.words[0]?.text ?? "")) return;
  found.mark("runsCode");
  if (call.feed.fed) found.mark("pipesIntoInterpreter");
}

/** `docker cp file box:/path`: a file of the container, or of this machine, is written. */
export function judgeContainerCopy(analysis: Analysis, call: Call): void {
  const [subcommand, ...words] = operandsOf(call.words, "c container n namespace context retries");
  const target = words.at(-1);
  if (subcommand?.text !== "cp" || target === undefined) return;
  const inContainer = /^[^:/]*(?:\/[^:/]*)?:/.exec(target.prefix)?.[0].length ?? 0;
  judgeWrittenPath(analysis, inContainer === 0 ? target : behind(target, inContainer));
}

const EXEC_VALUED = "e env env-file u user w workdir detach-keys";

/** `docker exec box program …` and `kubectl exec pod -- program …`: the program is judged as if it ran here. */
export function judgeContainerExec(analysis: Analysis, call: Call): boolean {
  const isKubectl = call.name === "kubectl" || call.name === "oc" || call.name === "k";
  const [first, ...words] = call.words;
  if (first?.text !== "exec") return false;
  analysis.found.mark("network");
  if (hasOption(words, "privileged u user kubeconfig as")) analysis.found.mark("privileges");
  const inner = isKubectl ? behindDashes(words) : behindFirst(words, EXEC_VALUED);
  if (inner === undefined || inner.length === 0) analysis.found.mark("runsCode");
  else analysis.program(inner, call.feed);
  return true;
}

function behindDashes(words: readonly Field[]): readonly Field[] | undefined {
  const at = words.findIndex((word) => word.text === "--");
  const before = at === -1 ? words : words.slice(0, at);
  if (at === -1 || before.some((word) => word.splits)) return undefined;
  return words.slice(at + 1);
}

function behindFirst(words: readonly Field[], valued: string): readonly Field[] | undefined {
  const names = valued.split(" ");
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index];
    if (word === undefined || word.splits) return undefined;
    if (!couldBeOption(word)) return words.slice(index + 1);
    if (
      word.text === undefined ||
      !/^-(?:[it]+|d|-interactive|-tty|-detach|[euw].*|-(?:env|user|workdir|env-file|detach-keys).*)$/.test(
        word.text,
      )
    )
      return undefined;
    if (takesNextWord(word.text, names)) index += 1;
  }
  return undefined;
}
