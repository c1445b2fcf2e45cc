import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Controller, Get, Param, Query, Res, SerializeOptions } from "@nestjs/common";
import {
  PageQuery,
  RecordingEventPage,
  RecordingPage,
  RecordingQuery,
  RecordingVerification,
  RecordingView,
} from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { RecordingsService } from "./recordings.service.js";

const Id = z.uuid();
const Index = z
  .string()
  .regex(/^\d{1,10}$/)
  .transform(Number);

@Controller("api/v1/recordings")
export class RecordingsController {
  constructor(private readonly recordings: RecordingsService) {}

  @Get()
  @Requires("recording:read")
  @SerializeOptions({ schema: RecordingPage })
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: RecordingQuery }) query: RecordingQuery) {
    return this.recordings.list(principal, query);
  }

  @Get(":id")
  @Requires("recording:read")
  @SerializeOptions({ schema: RecordingView })
  get(@CurrentPrincipal() principal: Principal, @Param("id", { schema: Id }) id: string) {
    return this.recordings.get(principal, id);
  }

  @Get(":id/events")
  @Requires("recording:read")
  @SerializeOptions({ schema: RecordingEventPage })
  events(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: Id }) id: string,
    @Query({ schema: PageQuery }) query: PageQuery,
  ) {
    return this.recordings.events(principal, id, query);
  }

  @Get(":id/events/:index/payload")
  @Requires("recording:read")
  async payload(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: Id }) id: string,
    @Param("index", { schema: Index }) index: number,
    @Res() response: ServerResponse,
  ): Promise<void> {
    const { bytes, pieces } = await this.recordings.payload(principal, id, index);
    response.setHeader("Content-Type", "application/octet-stream");
    response.setHeader("Content-Length", bytes);
    response.setHeader("Content-Disposition", `attachment; filename="${id}-${index}.json"`);
    await pipeline(Readable.from(pieces, { highWaterMark: 1 }), response);
  }

  @Get(":id/export")
  @Requires("recording:read")
  async export(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: Id }) id: string,
    @Res() response: ServerResponse,
  ): Promise<void> {
    const lines = await this.recordings.export(principal, id);
    response.setHeader("Content-Type", "application/jsonl; charset=utf-8");
    response.setHeader("Content-Disposition", `attachment; filename="${id}.jsonl"`);
    // One line in memory at a time: a line may hold a payload of 64 MiB, and a reader may be slow.
    await pipeline(Readable.from(lines, { highWaterMark: 1 }), response);
  }

  @Get(":id/verify")
  @Requires("recording:read")
  @SerializeOptions({ schema: RecordingVerification })
  verify(@CurrentPrincipal() principal: Principal, @Param("id", { schema: Id }) id: string) {
    return this.recordings.verify(principal, id);
  }
}
