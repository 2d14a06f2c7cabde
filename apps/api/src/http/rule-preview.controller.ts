import { Body, Controller, HttpCode, Inject, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { PreviewError, previewRule, type Preview, type PreviewedAlert, type ReadSteps } from '@vigil/rules';
import { isStatementTimeout, readSeries } from '@vigil/store';
import { ask } from '../database.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { DescribeErrors } from './docs.js';
import { ApiError, badParameter } from './errors.js';
import { knownOnly, seconds, time, type Query as Parameters } from './parameters.js';
import { DescribeRuleBody, readRule } from './rule-body.js';
import { PreviewAnswer } from './rule-dto.js';

const WEEK_MS = 7 * 86_400_000;

@ApiTags('alerts')
@DescribeErrors()
@Controller('api/v1/rules/preview')
export class RulePreviewController {
  private isBusy = false;

  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'When a rule would have fired, decided on what is stored. Nothing is kept, nobody is told' })
  @DescribeRuleBody()
  @ApiQuery({ name: 'from', required: false, description: 'A week before "to" unless given; 32 days at the most' })
  @ApiQuery({ name: 'to', required: false, description: 'Now unless given' })
  @ApiQuery({ name: 'step', required: false, description: 'Between two looks; 1m unless given' })
  @ApiOkResponse({ type: PreviewAnswer })
  async preview(@Body() body: unknown, @Query() query: Parameters): Promise<PreviewAnswer> {
    knownOnly(query, ['from', 'to', 'step']);
    const now = new Date();
    const to = time(query, 'to', now) ?? now;
    const from = time(query, 'from', now) ?? new Date(to.getTime() - WEEK_MS);
    const step = seconds(query, 'step') ?? 60;
    const { rule } = readRule(body);
    // It takes a processor for seconds, of which alerting needs its part.
    if (this.isBusy)
      throw new ApiError(
        503,
        'busy',
        'Another preview is being made. Try again in a few seconds: there is one at a time.',
      );
    this.isBusy = true;
    try {
      return toAnswer(await previewRule(rule, this.read, { from, to: earlier(to, now), step }));
    } catch (error) {
      throw error instanceof PreviewError ? badParameter(error.message) : error;
    } finally {
      this.isBusy = false;
    }
  }

  private readonly read: ReadSteps = ({ signal, aggregate, by, where: matchers }, range) =>
    ask(async () => {
      try {
        return await readSeries(this.context.store, signal, { ...range, aggregate, by, matchers });
      } catch (error) {
        if (isStatementTimeout(error)) return undefined;
        throw error;
      }
    });
}

/** Nothing is known of what is yet to come. */
const earlier = (a: Date, b: Date): Date => (a < b ? a : b);

const toAnswer = ({ from, to, alerts, ...rest }: Preview): PreviewAnswer => ({
  from: from.toISOString(),
  to: to.toISOString(),
  ...rest,
  alerts: alerts.map(toAlert),
});

const toAlert = ({ transitions, ...rest }: PreviewedAlert): PreviewAnswer['alerts'][number] => ({
  ...rest,
  transitions: transitions.map(({ at, ...transition }) => ({ at: at.toISOString(), ...transition })),
});
