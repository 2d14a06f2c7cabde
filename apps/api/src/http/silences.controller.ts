import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { transaction } from '@vigil/store';
import { z } from 'zod';
import { ask } from '../database.js';
import { reconsider } from '../notify/dispatch-store.js';
import { silenceState } from '../notify/routing/silence.js';
import { addSilence, endSilence, findSilence, listSilences, type StoredSilence } from '../notify/silence-store.js';
import { parseBody } from './body.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { decodeCursor, page } from './cursor.js';
import { DescribeErrors } from './docs.js';
import { ErrorAnswer } from './dto.js';
import { ApiError } from './errors.js';
import { NewSilence, SILENCE_STATES, SilenceItem, SilenceList } from './notify-dto.js';
import { choices, knownOnly, text, wholeNumber, type Query as Parameters } from './parameters.js';
import { SILENCE_BODY, spanOf } from './silence-body.js';

const CURSOR = z.tuple([z.string().regex(/^\d{1,18}$/)]);

@ApiTags('notifications')
@DescribeErrors()
@Controller('api/v1/silences')
export class SilencesController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get()
  @ApiOperation({ summary: 'Silences, newest first' })
  @ApiQuery({ name: 'state', required: false, enum: SILENCE_STATES, isArray: true, style: 'form', explode: false })
  @ApiQuery({ name: 'limit', required: false, description: '1 to 1000; 100 unless given' })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ type: SilenceList })
  async silences(@Query() query: Parameters): Promise<SilenceList> {
    knownOnly(query, ['state', 'limit', 'cursor']);
    const limit = wholeNumber(query, 'limit', 100, 1, 1000);
    const states = choices(query, 'state', SILENCE_STATES) ?? null;
    const before = decodeCursor(text(query, 'cursor'), CURSOR)?.[0] ?? null;
    const { store, scope } = this.context;
    const found = await ask(() => listSilences(store, scope, { states, before, limit: limit + 1 }));
    const { items, next } = page(found, limit, (last) => [last.id]);
    return { items: items.map(toItem), next };
  }

  @Get(':id')
  @ApiOperation({ summary: 'One silence' })
  @ApiOkResponse({ type: SilenceItem })
  @ApiNotFoundResponse({ type: ErrorAnswer })
  async silence(@Param('id') id: string): Promise<SilenceItem> {
    return toItem(this.known(id, await this.read(id, findSilence)));
  }

  @Post()
  @ApiOperation({ summary: 'Tells nobody of some alerts for a while. What still fires when it ends is told then' })
  @ApiBody({ type: NewSilence })
  @ApiCreatedResponse({ type: SilenceItem })
  async add(@Body() body: unknown): Promise<SilenceItem> {
    const { match, unless, reason, createdBy, ...span } = parseBody(SILENCE_BODY, body);
    const { startsAt, endsAt } = spanOf({ match, unless, reason, ...span }, new Date());
    const { store, scope } = this.context;
    const silence = { match, unless, startsAt, endsAt, reason, createdBy: createdBy ?? null };
    return toItem(await ask(() => addSilence(store, scope, silence)));
  }

  @Delete(':id')
  @HttpCode(200)
  @ApiOperation({ summary: 'Ends a silence now; it stays in the list' })
  @ApiOkResponse({ type: SilenceItem })
  @ApiNotFoundResponse({ type: ErrorAnswer })
  async end(@Param('id') id: string): Promise<SilenceItem> {
    const ended = await this.read(id, (_, scope, known) =>
      transaction(this.context.store, async (sql) => {
        const silence = await endSilence(sql, scope, known);
        await reconsider(sql, scope);
        return silence;
      }),
    );
    this.context.onOutbox();
    return toItem(this.known(id, ended));
  }

  private async read(id: string, work: typeof findSilence): Promise<StoredSilence | undefined> {
    const { store, scope } = this.context;
    return /^\d{1,18}$/.test(id) ? ask(() => work(store, scope, id)) : undefined;
  }

  private known(id: string, silence: StoredSilence | undefined): StoredSilence {
    if (silence) return silence;
    throw new ApiError(404, 'not_found', `There is no silence "${id}". /api/v1/silences lists them.`);
  }
}

const toItem = (silence: StoredSilence): SilenceItem => ({
  id: silence.id,
  state: silenceState(silence, new Date()),
  match: { ...silence.match } as Record<string, string[]>,
  unless: { ...silence.unless } as Record<string, string[]>,
  startsAt: silence.startsAt.toISOString(),
  endsAt: silence.endsAt.toISOString(),
  reason: silence.reason,
  createdBy: silence.createdBy,
  createdAt: silence.createdAt.toISOString(),
});
