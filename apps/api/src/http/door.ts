import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { DatabaseUnavailable } from '../database.js';

/** Until it is opened, only what tells of the process itself is answered: the rest needs a database, and rules read from it. */
export class Door implements CanActivate {
  private isOpen = false;

  open(): void {
    this.isOpen = true;
  }

  /** @throws DatabaseUnavailable while it is closed */
  canActivate(context: ExecutionContext): boolean {
    if (this.isOpen) return true;
    const { url } = context.switchToHttp().getRequest<FastifyRequest>();
    if (/^\/(health|metrics)\b/.test(url)) return true;
    throw new DatabaseUnavailable('it was not reached yet');
  }
}
