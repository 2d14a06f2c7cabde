import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiNotFoundResponse, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ask } from '../database.js';
import { ALERT_STATES } from '@vigil/rules';
import { readSilences } from '../notify/silence-store.js';
import { readAlert } from './alert-detail.js';
import { readAlerts, readHistory, toAlertItem } from './alert-queries.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { decodeCursor, page } from './cursor.js';
import { DescribeErrors } from './docs.js';
import { AlertList, ErrorAnswer, SOURCES, TransitionList } from './dto.js';
import { ApiError } from './errors.js';
import { AlertDetail } from './incident-dto.js';
import { choices, knownOnly, text, time, wholeNumber, type Query as Parameters } from './parameters.js';
import { runbookPath } from './rule-item.js';

const word = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\0]*$/);
const ALERT_CURSOR = z.tuple([z.number().int().min(0).max(100), word(200), word(1000)]);
const HISTORY_CURSOR = z.tuple([z.string().regex(/^\d{1,18}$/)]);

@ApiTags('alerts')
@DescribeErrors()
@Controller('api/v1/alerts')
export class AlertsController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get()
  @ApiOperation({ summary: 'How every rule stands for every set of labels, and alerts of others: what fires first' })
  @ApiQuery({ name: 'state', required: false, enum: ALERT_STATES, isArray: true, style: 'form', explode: false })
  @ApiQuery({ name: 'source', required: false, enum: SOURCES, isArray: true, style: 'form', explode: false })
  @ApiQuery({ name: 'rule', required: false })
  @ApiQuery({ name: 'limit', required: false, description: '1 to 1000; 200 unless given' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: AlertList })
  async alerts(@Query() query: Parameters): Promise<AlertList> {
    knownOnly(query, ['state', 'source', 'rule', 'limit', 'cursor']);
    const limit = wholeNumber(query, 'limit', 200, 1, 1000);
    const states = choices(query, 'state', ALERT_STATES) ?? null;
    const sources = choices(query, 'source', SOURCES) ?? null;
    const rule = text(query, 'rule') ?? null;
    const after = decodeCursor(text(query, 'cursor'), ALERT_CURSOR);
    const filter = { states, sources, rule, after, limit: limit + 1 };
    const rows = await ask(() => readAlerts(this.context.store, this.context.scope, filter));
    const { items, next } = page(rows, limit, (last) => [last.rank, last.rule, last.fingerprint]);
    const silences = await ask(() => readSilences(this.context.store, this.context.scope, new Date()));
    return { items: items.map((row) => toAlertItem(row, this.context, silences)), next };
  }

  @Get('history')
  @ApiOperation({ summary: 'Changes of state, newest first, with what became of the messages about them' })
  @ApiQuery({ name: 'rule', required: false })
  @ApiQuery({ name: 'to_state', required: false, enum: ALERT_STATES, isArray: true, style: 'form', explode: false })
  @ApiQuery({ name: 'from', required: false, description: 'ISO 8601, Unix seconds, now or now-1h' })
  @ApiQuery({ name: 'to', required: false, description: 'The same' })
  @ApiQuery({ name: 'limit', required: false, description: '1 to 1000; 50 unless given' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: TransitionList })
  async history(@Query() query: Parameters): Promise<TransitionList> {
    knownOnly(query, ['rule', 'to_state', 'from', 'to', 'limit', 'cursor']);
    const now = new Date();
    const limit = wholeNumber(query, 'limit', 50, 1, 1000);
    const filter = {
      rule: text(query, 'rule') ?? null,
      states: choices(query, 'to_state', ALERT_STATES) ?? null,
      from: time(query, 'from', now) ?? null,
      to: time(query, 'to', now) ?? null,
      before: decodeCursor(text(query, 'cursor'), HISTORY_CURSOR)?.[0] ?? null,
      limit: limit + 1,
    };
    const rows = await ask(() => readHistory(this.context.store, this.context.scope, filter));
    return page(rows, limit, (last) => [last.id]);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One firing of an alert in full: what moved first, which requests, how it ended' })
  @ApiOkResponse({ type: AlertDetail })
  @ApiNotFoundResponse({ type: ErrorAnswer })
  async alert(@Param('id') id: string): Promise<AlertDetail> {
    const { store, scope, book } = this.context;
    const found = /^\d{1,18}$/.test(id) ? await ask(() => readAlert(store, scope, id)) : undefined;
    if (!found)
      throw new ApiError(404, 'not_found', `There is no alert "${id}". /api/v1/alerts lists them, each with its id.`);
    const rule = book.find(found.rule)?.rule;
    return { ...found, runbook: rule ? runbookPath(book, rule) : null };
  }
}
