import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
} from "@nestjs/common";
import { from, lastValueFrom, type Observable } from "rxjs";
import { DomainError } from "./errors.js";
import { IdempotencyKeys } from "./idempotency-keys.js";

const KEY = /^[\x21-\x7e]{1,255}$/;

/** The parts of a request that are used here. The guard has put the principal there; who it is does not matter. */
interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query: unknown;
  readonly body: unknown;
  readonly principal?: { readonly id: string };
}

interface ApiResponse {
  statusCode: number;
}

/** Honours the header Idempotency-Key where a request has it. Runs before the body is validated. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly keys: IdempotencyKeys) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    const key = request.headers["idempotency-key"];
    if (key === undefined) return next.handle();
    if (typeof key !== "string" || !KEY.test(key)) {
      throw new DomainError(
        "invalid_idempotency_key",
        "Idempotency-Key must be 1 to 255 visible ASCII characters",
      );
    }
    if (!request.principal) throw new Error("an idempotent route must require a principal");
    const response = context.switchToHttp().getResponse<ApiResponse>();
    const scope = { principal: request.principal.id, route: `${request.method} ${request.path}`, key };
    return from(this.answer(scope, { request, response, next }));
  }

  private async answer(
    scope: { principal: string; route: string; key: string },
    { request, response, next }: { request: ApiRequest; response: ApiResponse; next: CallHandler },
  ): Promise<unknown> {
    const said = [request.query, request.body];
    const { status, body } = await this.keys.once(scope, said, async () => ({
      body: await lastValueFrom(next.handle(), { defaultValue: undefined }),
      status: response.statusCode,
    }));
    response.statusCode = status;
    return body;
  }
}

/** For a POST that creates: the same Idempotency-Key and body get the first answer again (24 h), not a second creation. */
export const Idempotent = () => UseInterceptors(IdempotencyInterceptor);
