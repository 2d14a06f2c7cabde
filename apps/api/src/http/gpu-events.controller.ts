import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ask } from '../database.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { decodeCursor, INSTANT, INSTANT_SQL, page } from './cursor.js';
import { DescribeErrors } from './docs.js';
import { GpuEventList, type GpuEventItem } from './dto.js';
import { choices, knownOnly, text, time, wholeNumber, type Query as Parameters } from './parameters.js';

const KINDS = ['xid', 'lost', 'returned'] as const;
const CLASSES = ['critical', 'warning', 'application', 'unknown'] as const;

const word = z
  .string()
  .max(1000)
  .regex(/^[^\0]*$/);
/** Time, node and key of the last row: the table's own order. */
const CURSOR = z.tuple([INSTANT, word, word]);

type Row = Omit<GpuEventItem, 'time'> & { time: Date; instant: string; key: string };

@ApiTags('gpu events')
@DescribeErrors()
@Controller('api/v1/gpu-events')
export class GpuEventsController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get()
  @ApiOperation({ summary: 'What happened to GPUs (XIDs, lost and returned ones) and what it means, newest first' })
  @ApiQuery({ name: 'node', required: false })
  @ApiQuery({ name: 'gpu', required: false, description: 'Index on its node, such as 0' })
  @ApiQuery({ name: 'kind', required: false, enum: KINDS, isArray: true, style: 'form', explode: false })
  @ApiQuery({ name: 'class', required: false, enum: CLASSES, isArray: true, style: 'form', explode: false })
  @ApiQuery({ name: 'from', required: false, description: 'ISO 8601, Unix seconds, now or now-1h' })
  @ApiQuery({ name: 'to', required: false, description: 'The same' })
  @ApiQuery({ name: 'limit', required: false, description: '1 to 1000; 50 unless given' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: GpuEventList })
  async events(@Query() query: Parameters): Promise<GpuEventList> {
    knownOnly(query, ['node', 'gpu', 'kind', 'class', 'from', 'to', 'limit', 'cursor']);
    const now = new Date();
    const limit = wholeNumber(query, 'limit', 50, 1, 1000);
    const after = decodeCursor(text(query, 'cursor'), CURSOR);
    const values = [
      text(query, 'node') ?? null,
      text(query, 'gpu') ?? null,
      choices(query, 'kind', KINDS) ?? null,
      choices(query, 'class', CLASSES) ?? null,
      time(query, 'from', now) ?? null,
      time(query, 'to', now) ?? null,
      ...(after ?? [null, null, null]),
      limit + 1,
    ];
    const rows = (await ask(() =>
      this.context.store.query(
        `SELECT time, node, gpu, uuid, replay, kind, code, class, meaning, source, message, key, ${INSTANT_SQL('time')} AS instant
         FROM gpu_event
         WHERE ($1::text IS NULL OR node = $1) AND ($2::text IS NULL OR gpu = $2)
           AND ($3::text[] IS NULL OR kind = ANY($3)) AND ($4::text[] IS NULL OR class = ANY($4))
           AND ($5::timestamptz IS NULL OR time >= $5) AND ($6::timestamptz IS NULL OR time < $6)
           AND ($7::timestamptz IS NULL OR (time, node, key) < ($7, $8, $9))
         ORDER BY time DESC, node DESC, key DESC LIMIT $10`,
        values,
      ),
    )) as Row[];
    const { items, next } = page(rows, limit, (last) => [last.instant, last.node, last.key]);
    return { items: items.map(toItem), next };
  }
}

const toItem = ({ key: _key, instant: _instant, time: at, ...item }: Row): GpuEventItem => ({
  ...item,
  time: at.toISOString(),
});
