import { createHash, timingSafeEqual } from 'node:crypto';
import { Body, Controller, Headers, HttpCode, Inject, Post } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiForbiddenResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  ApiUnauthorizedResponse,
} from '@nestjs/swagger';
import { transaction } from '@vigil/store';
import { ask } from '../database.js';
import { keepReceived } from '../receive/store.js';
import { isOurs, WEBHOOK } from '../receive/webhook.js';
import { parseBody } from './body.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { DescribeErrors } from './docs.js';
import { ErrorAnswer, ReceivedAnswer } from './dto.js';
import { ApiError } from './errors.js';

/** Who tells what comes in here, in the list of alerts. */
const SOURCE = 'alertmanager';

@ApiTags('alerts')
@DescribeErrors()
@Controller('api/v1/alertmanager')
export class AlertmanagerController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Post()
  @HttpCode(200)
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Takes webhooks of an Alertmanager: its alerts stand beside ours, and nobody is told of them',
  })
  @ApiBody({ schema: { type: 'object', additionalProperties: true }, description: "Alertmanager's webhook, version 4" })
  @ApiOkResponse({ type: ReceivedAnswer })
  @ApiUnauthorizedResponse({ type: ErrorAnswer })
  @ApiForbiddenResponse({ type: ErrorAnswer, description: 'ALERTMANAGER_WEBHOOK_KEY is not set' })
  async receive(
    @Headers('authorization') authorization: string | undefined,
    @Body() body: unknown,
  ): Promise<ReceivedAnswer> {
    const { store, scope, received, publicUrl } = this.context;
    if (received.key === undefined)
      throw new ApiError(403, 'not_enabled', 'No Alertmanager may post here: set ALERTMANAGER_WEBHOOK_KEY.');
    if (!isKey(authorization, received.key))
      throw new ApiError(401, 'unauthorized', 'The key is missing or wrong: send it as "Authorization: Bearer …".');
    const { alerts } = parseBody(WEBHOOK, body);
    const foreign = alerts.filter((alert) => !isOurs(alert, publicUrl()));
    if (foreign.length > 0)
      await ask(() => transaction(store, (sql) => keepReceived(sql, scope, SOURCE, foreign, new Date())));
    const own = alerts.length - foreign.length;
    received.count({ stored: foreign.length, own });
    return { stored: foreign.length, own };
  }
}

/** As a bearer token, or as the password of basic authentication; compared in a time that tells nothing. */
function isKey(authorization: string | undefined, key: string): boolean {
  const [, scheme, value] = /^(Bearer|Basic) +(\S+)$/i.exec(authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) return false;
  const isBasic = scheme.toLowerCase() === 'basic';
  const given = isBasic
    ? Buffer.from(value, 'base64')
        .toString('utf8')
        .replace(/^[^:]*:/, '')
    : value;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(key));
}
