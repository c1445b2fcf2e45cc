import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  SerializeOptions,
} from "@nestjs/common";
import {
  ApplyNotificationChannel,
  NotificationChannelApplied,
  NotificationChannelPage,
  NotificationChannelView,
  NotificationDeliveryView,
  PageQuery,
  ResourceName,
} from "@drawbridge/contracts";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { Idempotent } from "../platform/idempotency.js";
import { NotificationChannelsService } from "./notification-channels.service.js";

@Controller("api/v1/notification-channels")
export class NotificationChannelsController {
  constructor(private readonly channels: NotificationChannelsService) {}

  @Get()
  @Requires("notification:read")
  @SerializeOptions({ schema: NotificationChannelPage })
  list(@Query({ schema: PageQuery }) query: PageQuery) {
    return this.channels.list(query);
  }

  @Get(":name")
  @Requires("notification:read")
  @SerializeOptions({ schema: NotificationChannelView })
  get(@Param("name", { schema: ResourceName }) name: string) {
    return this.channels.get(name);
  }

  @Put(":name")
  @Requires("notification:write")
  @SerializeOptions({ schema: NotificationChannelApplied })
  apply(
    @CurrentPrincipal() principal: Principal,
    @Param("name", { schema: ResourceName }) name: string,
    @Body({ schema: ApplyNotificationChannel }) document: ApplyNotificationChannel,
  ) {
    return this.channels.apply(principal, name, document);
  }

  @Delete(":name")
  @HttpCode(204)
  @Requires("notification:write")
  delete(@CurrentPrincipal() principal: Principal, @Param("name", { schema: ResourceName }) name: string) {
    return this.channels.delete(principal, name);
  }

  @Post(":name/test")
  @HttpCode(202)
  @Idempotent()
  @Requires("notification:write")
  @SerializeOptions({ schema: NotificationDeliveryView })
  test(@CurrentPrincipal() principal: Principal, @Param("name", { schema: ResourceName }) name: string) {
    return this.channels.test(principal, name);
  }
}
