import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Body, Controller, Get, Header, HttpCode, Post, Res, SerializeOptions } from "@nestjs/common";
import { BacktestPolicies, ExplainOperation, Explanation } from "@drawbridge/contracts";
import { policyJsonSchema } from "@drawbridge/policy";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { Backtests } from "./backtests.js";
import { PolicyExplanations } from "./policy-explanations.js";

const JsonSchema = z.record(z.string(), z.unknown());

/** Trying policies before they are live. Nothing here changes one. */
@Controller("api/v1")
export class PolicyTrialsController {
  constructor(
    private readonly explanations: PolicyExplanations,
    private readonly backtests: Backtests,
  ) {}

  /** Not below `policies/`: there it would be a policy's name. */
  @Get("policy-schema")
  @Requires("policy:read")
  @Header("Content-Type", "application/schema+json")
  @SerializeOptions({ schema: JsonSchema })
  schema() {
    return policyJsonSchema();
  }

  @Post("policies/explain")
  @HttpCode(200)
  @Requires("policy:read")
  @SerializeOptions({ schema: Explanation })
  explain(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: ExplainOperation }) body: ExplainOperation,
  ) {
    return this.explanations.explain(principal, body);
  }

  /** Lines of JSON as they are found, one a line, until a `summary` or a `failed`. */
  @Post("policies/backtest")
  @HttpCode(200)
  @Requires("policy:backtest")
  async backtest(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: BacktestPolicies }) body: BacktestPolicies,
    @Res() response: ServerResponse,
  ): Promise<void> {
    const { lines, done } = await this.backtests.start(principal, body);
    try {
      response.setHeader("Content-Type", "application/x-ndjson");
      // One line at a time: the next operation is looked at when this one is on its way to the reader.
      await pipeline(Readable.from(lines, { highWaterMark: 1 }), response);
    } catch (error) {
      if (!isPrematureClose(error)) throw error;
    } finally {
      done();
    }
  }
}

/** The client has left: nobody is there to be told. */
function isPrematureClose(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_STREAM_PREMATURE_CLOSE";
}
