import { Body, Controller, Get, HttpCode, Param, Post, Query, SerializeOptions } from "@nestjs/common";
import {
  AcceptTool,
  PageQuery,
  PinnedToolDetail,
  PinnedToolPage,
  PinnedToolView,
  ResourceName,
} from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { ToolsService } from "./tools.service.js";

/** URL-encoded; a target may give a tool any name. */
const ToolName = z.string().min(1).max(256);

@Controller("api/v1/targets/:target/tools")
export class ToolsController {
  constructor(private readonly tools: ToolsService) {}

  @Get()
  @Requires("target:read")
  @SerializeOptions({ schema: PinnedToolPage })
  list(
    @Param("target", { schema: ResourceName }) target: string,
    @Query({ schema: PageQuery }) query: PageQuery,
  ) {
    return this.tools.list(target, query);
  }

  @Get(":tool")
  @Requires("target:read")
  @SerializeOptions({ schema: PinnedToolDetail })
  get(
    @Param("target", { schema: ResourceName }) target: string,
    @Param("tool", { schema: ToolName }) tool: string,
  ) {
    return this.tools.get(target, tool);
  }

  @Post(":tool/accept")
  @HttpCode(200)
  @Requires("target:write")
  @SerializeOptions({ schema: PinnedToolView })
  accept(
    @CurrentPrincipal() principal: Principal,
    @Param("target", { schema: ResourceName }) target: string,
    @Param("tool", { schema: ToolName }) tool: string,
    @Body({ schema: AcceptTool }) { digest }: AcceptTool,
  ) {
    return this.tools.accept(principal, target, { tool, digest });
  }
}
