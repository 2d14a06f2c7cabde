import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiKeys } from './keys.js';

const owners = new WeakMap<FastifyRequest, number>();

/** Whose request it is, as a number; undefined where no keys are set. */
export const ownerOf = (request: FastifyRequest): number | undefined => owners.get(request);

/** What monitoring reads without a key. */
const OPEN = /^\/(health\/\w+|metrics)$/;

/** Asks for a key before anything but health and metrics; limits bind requests for answers only. */
export class KeyGuard implements CanActivate {
  constructor(private readonly keys: ApiKeys) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    // The route, not the address as it was sent: one address can be written in many ways.
    if (OPEN.test(request.routeOptions.url ?? '')) return true;
    const { authorization } = request.headers;
    if (request.method !== 'POST') {
      this.keys.check(authorization);
      return true;
    }
    const admitted = this.keys.admit(authorization, performance.now());
    if (admitted) {
      owners.set(request, admitted.owner);
      http.getResponse<FastifyReply>().raw.once('close', admitted.done);
    }
    return true;
  }
}
