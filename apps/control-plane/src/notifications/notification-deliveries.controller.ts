import { Controller, Get, HttpCode, Param, Post, Query, SerializeOptions } from "@nestjs/common";
import {
  NotificationDeliveryPage,
  NotificationDeliveryQuery,
  NotificationDeliveryView,
} from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { NotificationDeliveriesService } from "./notification-deliveries.service.js";

@Controller("api/v1/notification-deliveries")
export class NotificationDeliveriesController {
  constructor(private readonly deliveries: NotificationDeliveriesService) {}

  @Get()
  @Requires("notification:read")
  @SerializeOptions({ schema: NotificationDeliveryPage })
  list(@Query({ schema: NotificationDeliveryQuery }) query: NotificationDeliveryQuery) {
    return this.deliveries.list(query);
  }

  @Post(":id/retry")
  @HttpCode(200)
  @Requires("notification:write")
  @SerializeOptions({ schema: NotificationDeliveryView })
  retry(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.deliveries.retry(principal, id);
  }
}
