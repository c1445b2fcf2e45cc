import { Injectable } from "@nestjs/common";
import { MailServers } from "./outbound/mail-servers.js";
import { OutboundHttp } from "./outbound/outbound-http.js";
import { DenyValues } from "./slack/deny-value.js";

/** What messages go out with. */
@Injectable()
export class NotificationOutbound {
  constructor(
    readonly http: OutboundHttp,
    readonly mail: MailServers,
    readonly denyValues: DenyValues,
  ) {}
}
