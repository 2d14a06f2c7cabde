import { Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import {
  ApiConflictResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import type { DataSource } from 'typeorm';
import { z } from 'zod';
import { ask } from '../database.js';
import { INBOX } from '../notify/channels.js';
import { sendAgain } from '../notify/outbox.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { decodeCursor, page } from './cursor.js';
import { DescribeErrors } from './docs.js';
import { ErrorAnswer, NOTIFICATION_STATUSES } from './dto.js';
import { ApiError } from './errors.js';
import { OutboxItem, OutboxList } from './notify-dto.js';
import { choices, knownOnly, text, wholeNumber, type Query as Parameters } from './parameters.js';

const CURSOR = z.tuple([z.string().regex(/^\d{1,18}$/)]);

@ApiTags('notifications')
@DescribeErrors()
@Controller('api/v1/notifications')
export class NotificationsController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get()
  @ApiOperation({ summary: 'Messages, newest first: who was told, who was not, and why' })
  @ApiQuery({
    name: 'status',
    required: false,
    enum: NOTIFICATION_STATUSES,
    isArray: true,
    style: 'form',
    explode: false,
  })
  @ApiQuery({ name: 'channel', required: false })
  @ApiQuery({ name: 'limit', required: false, description: '1 to 1000; 100 unless given' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: OutboxList })
  async notifications(@Query() query: Parameters): Promise<OutboxList> {
    knownOnly(query, ['status', 'channel', 'limit', 'cursor']);
    const limit = wholeNumber(query, 'limit', 100, 1, 1000);
    const filter = {
      id: null,
      statuses: choices(query, 'status', NOTIFICATION_STATUSES) ?? null,
      channel: text(query, 'channel') ?? null,
      before: decodeCursor(text(query, 'cursor'), CURSOR)?.[0] ?? null,
      limit: limit + 1,
    };
    const found = await ask(() => readOutbox(this.context.store, this.context.scope, filter));
    return page(found, limit, (last) => [last.id]);
  }

  @Post(':id/retry')
  @HttpCode(200)
  @ApiOperation({ summary: 'Sends a message again that was given up' })
  @ApiOkResponse({ type: OutboxItem })
  @ApiNotFoundResponse({ type: ErrorAnswer })
  @ApiConflictResponse({ type: ErrorAnswer, description: 'It was not given up' })
  async retry(@Param('id') id: string): Promise<OutboxItem> {
    const { store, scope } = this.context;
    if (!/^\d{1,18}$/.test(id)) throw unknown(id);
    const isQueued = await ask(() => sendAgain(store, scope, id));
    const filter = { id, statuses: null, channel: null, before: null, limit: 1 };
    const [item] = await ask(() => readOutbox(store, scope, filter));
    if (!item) throw unknown(id);
    if (!isQueued)
      throw new ApiError(409, 'not_dead', `Message ${id} is ${item.status}: only one that is dead can be sent again.`);
    this.context.onOutbox();
    return item;
  }
}

const unknown = (id: string): ApiError =>
  new ApiError(404, 'not_found', `There is no message "${id}". /api/v1/notifications lists them.`);

interface Filter {
  id: string | null;
  statuses: readonly string[] | null;
  channel: string | null;
  before: string | null;
  limit: number;
}

/** Messages with what they are about; never with their text or an address. */
async function readOutbox(store: DataSource, scope: string, filter: Filter): Promise<OutboxItem[]> {
  const rows = (await store.query(
    `SELECT n.id, n.channel, n.kind, n.status, n.attempts, n.created_at, n.next_attempt_at, n.sent_at, n.last_error,
       coalesce((
         SELECT jsonb_agg(jsonb_build_object('transition', t.id::text, 'rule', t.rule, 'labels', t.labels,
           'to', t.to_state, 'at', t.at) ORDER BY t.id)
         FROM alert_transition t WHERE t.id = ANY(n.transitions)), '[]') AS alerts
     FROM notification n
     WHERE n.scope = $1 AND n.channel <> $2 AND ($3::bigint IS NULL OR n.id = $3)
       AND ($4::text[] IS NULL OR n.status = ANY($4)) AND ($5::text IS NULL OR n.channel = $5)
       AND ($6::bigint IS NULL OR n.id < $6)
     ORDER BY n.id DESC LIMIT $7`,
    [scope, INBOX.name, filter.id, filter.statuses, filter.channel, filter.before, filter.limit],
  )) as (Pick<OutboxItem, 'id' | 'channel' | 'kind' | 'status' | 'attempts' | 'alerts'> & {
    created_at: Date;
    next_attempt_at: Date;
    sent_at: Date | null;
    last_error: string | null;
  })[];
  return rows.map(({ created_at, next_attempt_at, sent_at, last_error, alerts, ...row }) => ({
    ...row,
    createdAt: created_at.toISOString(),
    nextAttemptAt: row.status === 'waiting' ? next_attempt_at.toISOString() : null,
    sentAt: sent_at?.toISOString() ?? null,
    lastError: last_error,
    alerts: alerts.map((alert) => ({ ...alert, at: new Date(alert.at).toISOString() })),
  }));
}
