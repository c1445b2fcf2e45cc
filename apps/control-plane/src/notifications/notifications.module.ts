import { Module } from "@nestjs/common";
import { ApprovalsModule } from "../approvals/index.js";
import { AuditModule } from "../audit/index.js";
import { CONFIG, type Config } from "../config.js";
import { EventsModule } from "../events/index.js";
import { LocksModule } from "../locks/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { PoliciesModule } from "../policies/index.js";
import { NotificationChannelsController } from "./notification-channels.controller.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import { NotificationChannelsService } from "./notification-channels.service.js";
import { NotificationCursorRepository } from "./notification-cursor.repository.js";
import { NotificationDeliveriesController } from "./notification-deliveries.controller.js";
import { NotificationDeliveriesRepository } from "./notification-deliveries.repository.js";
import { NotificationDeliveriesService } from "./notification-deliveries.service.js";
import { NotificationDispatcher } from "./notification-dispatcher.js";
import { NotificationOutbound } from "./notification-outbound.js";
import { NotificationOutbox } from "./notification-outbox.js";
import { NotificationOutcomes } from "./notification-outcomes.js";
import { NotificationSender } from "./notification-sender.js";
import { NotificationSending } from "./notification-sending.js";
import { NotificationSweep } from "./notification-sweep.js";
import { NotificationTimes } from "./notification-times.js";
import { NotifiedApprovals } from "./notified-approvals.js";
import { MailServers } from "./outbound/mail-servers.js";
import { OutboundHttp } from "./outbound/outbound-http.js";
import { AllowedReceivers } from "./outbound/public-address.js";
import { DenyValues } from "./slack/deny-value.js";
import { SlackDenials } from "./slack/slack-denials.js";
import { SlackInteractions } from "./slack/slack-interactions.js";
import { SlackInteractionsController } from "./slack/slack-interactions.controller.js";

@Module({
  imports: [PlatformModule, ApprovalsModule, AuditModule, EventsModule, LocksModule, PoliciesModule],
  controllers: [
    NotificationChannelsController,
    NotificationDeliveriesController,
    SlackInteractionsController,
  ],
  providers: [
    {
      provide: OutboundHttp,
      useFactory: ({ notifyAllow }: Config) => new OutboundHttp(new AllowedReceivers(notifyAllow)),
      inject: [CONFIG],
    },
    {
      provide: MailServers,
      useFactory: ({ notifyAllow }: Config) => new MailServers(new AllowedReceivers(notifyAllow)),
      inject: [CONFIG],
    },
    DenyValues,
    NotificationChannelsRepository,
    NotificationChannelsService,
    NotificationCursorRepository,
    NotificationDeliveriesRepository,
    NotificationDeliveriesService,
    NotificationDispatcher,
    NotificationOutbound,
    NotificationOutbox,
    NotificationOutcomes,
    NotificationSender,
    NotificationSending,
    NotificationSweep,
    NotificationTimes,
    NotifiedApprovals,
    SlackDenials,
    SlackInteractions,
  ],
})
export class NotificationsModule {}
