import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { RequestEntity, type Outcome } from '@vigil/store';
import { z } from 'zod';
import { ask } from '../database.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { decodeCursor, INSTANT, INSTANT_SQL, page } from './cursor.js';
import { DescribeErrors } from './docs.js';
import { RequestList, type RequestItem } from './dto.js';
import { choices, knownOnly, text, time, wholeNumber, type Query as Parameters } from './parameters.js';

const OUTCOMES = ['ok', 'error', 'rejection', 'cancellation'] as const satisfies readonly Outcome[];

/** End (to the microsecond, as PostgreSQL keeps it), span and trace of the last row: the table's own order. */
const CURSOR = z.tuple([INSTANT, z.string().regex(/^[0-9a-f]{1,16}$/), z.string().regex(/^[0-9a-f]{1,32}$/)]);

/** Filters that compare one column with one value. */
const EQUAL = ['model', 'node', 'conversation_id', 'response_id'] as const;

type Row = RequestItem & { key: string };

@ApiTags('requests')
@DescribeErrors()
@Controller('api/v1/requests')
export class RequestsController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get()
  @ApiOperation({ summary: 'Requests, newest first' })
  @ApiQuery({ name: 'limit', required: false, description: '1 to 1000; 50 unless given' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiQuery({ name: 'outcome', required: false, enum: OUTCOMES, isArray: true, style: 'form', explode: false })
  @ApiQuery({ name: 'model', required: false })
  @ApiQuery({ name: 'node', required: false })
  @ApiQuery({ name: 'conversation_id', required: false })
  @ApiQuery({ name: 'response_id', required: false })
  @ApiQuery({ name: 'from', required: false, description: 'By their end: ISO 8601, Unix seconds, now or now-1h' })
  @ApiQuery({ name: 'to', required: false, description: 'The same' })
  @ApiOkResponse({ type: RequestList })
  async requests(@Query() query: Parameters): Promise<RequestList> {
    knownOnly(query, ['limit', 'cursor', 'outcome', ...EQUAL, 'from', 'to']);
    const limit = wholeNumber(query, 'limit', 50, 1, 1000);
    const { where, values } = this.filter(query);
    const columns = this.context.store
      .getMetadata(RequestEntity)
      .columns.map((column) => `${column.databaseName} AS "${column.propertyName}"`);
    const sql = `SELECT ${columns.join(', ')}, ${INSTANT_SQL('ended_at')} AS key
      FROM request ${where} ORDER BY ended_at DESC, span_id DESC, trace_id DESC LIMIT ${limit + 1}`;
    const rows = (await ask(() => this.context.store.query(sql, values))) as Row[];
    const { items, next } = page(rows, limit, (last) => [last.key, last.spanId, last.traceId]);
    return { items: items.map(({ key: _key, ...item }) => item), next };
  }

  private filter(query: Parameters): { where: string; values: unknown[] } {
    const values: unknown[] = [];
    const parameter = (value: unknown) => `$${values.push(value)}`;
    const conditions: string[] = [];
    for (const column of EQUAL) {
      const value = text(query, column);
      if (value !== undefined) conditions.push(`${column} = ${parameter(value)}`);
    }
    const outcomes = choices(query, 'outcome', OUTCOMES);
    if (outcomes) conditions.push(`outcome = ANY(${parameter(outcomes)})`);
    const now = new Date();
    const from = time(query, 'from', now);
    if (from) conditions.push(`ended_at >= ${parameter(from)}`);
    const to = time(query, 'to', now);
    if (to) conditions.push(`ended_at < ${parameter(to)}`);
    const after = decodeCursor(text(query, 'cursor'), CURSOR);
    if (after) {
      const [end, span, trace] = after.map(parameter);
      // The first part lets whole days be passed over; the second is the order itself.
      conditions.push(`ended_at <= ${end}::timestamptz`);
      conditions.push(`(ended_at, span_id, trace_id) < (${end}::timestamptz, ${span}, ${trace})`);
    }
    return { where: conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '', values };
  }
}
