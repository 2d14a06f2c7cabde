import { Controller, Get, Header, Inject, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { ask } from '../database.js';
import { ALERT_STATES, type Rule } from '@vigil/rules';
import { API_CONTEXT, type ApiContext } from './context.js';
import { DescribeErrors } from './docs.js';
import { RuleList, type RuleItem } from './dto.js';
import { ApiError } from './errors.js';
import { knownOnly, type Query as Parameters } from './parameters.js';

interface Count {
  rule: string;
  state: string;
  n: number;
  evaluated_at: Date;
}

/** Where this API serves a rule's runbook, or the address that the rule names. */
export function runbookPath(
  { runbooks }: Pick<ApiContext, 'runbooks'>,
  rule: Pick<Rule, 'name' | 'action'>,
): string | null {
  if (runbooks.has(rule.name)) return `/api/v1/rules/${encodeURIComponent(rule.name)}/runbook`;
  return /^https?:/.test(rule.action) ? rule.action : null;
}

@ApiTags('alerts')
@DescribeErrors()
@Controller('api/v1/rules')
export class RulesController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get()
  @ApiOperation({ summary: 'The alert rules, those that are off too, and how they stand' })
  @ApiOkResponse({ type: RuleList })
  async rules(@Query() query: Parameters): Promise<RuleList> {
    knownOnly(query, []);
    const { store, scope, rules } = this.context;
    const counts = (await ask(() =>
      store.query(
        `SELECT rule, state, count(*)::int AS n, max(evaluated_at) AS evaluated_at FROM alert WHERE scope = $1 GROUP BY rule, state`,
        [scope],
      ),
    )) as Count[];
    const items = rules.map((rule) =>
      this.toItem(
        rule,
        counts.filter((count) => count.rule === rule.name),
      ),
    );
    return { items, next: null };
  }

  @Get(':rule/runbook')
  @Header('content-type', 'text/markdown; charset=utf-8')
  @ApiOperation({ summary: 'What to do when a rule fires' })
  @ApiProduces('text/markdown')
  @ApiOkResponse({ description: 'The runbook as Markdown' })
  runbook(@Param('rule') name: string): string {
    const runbook = this.context.runbooks.get(name);
    if (runbook) return runbook.text;
    throw new ApiError(404, 'not_found', `There is no runbook of a rule "${name}" here. /api/v1/rules lists them.`);
  }

  private toItem(rule: Rule, counts: readonly Count[]): RuleItem {
    const status = this.context.evaluator.status.get(rule.name);
    const times = [status?.evaluatedAt, ...counts.map((count) => count.evaluated_at)].filter((t) => t instanceof Date);
    const last = times.toSorted((a, b) => b.getTime() - a.getTime())[0];
    return {
      rule: rule.name,
      file: rule.file,
      enabled: rule.enabled,
      signal: rule.signal.id,
      unit: rule.unit,
      condition: rule.condition,
      over: rule.over,
      for: rule.for,
      by: [...rule.by],
      where: { ...rule.where },
      severity: rule.severity,
      action: rule.action,
      runbook: runbookPath(this.context, rule),
      states: Object.fromEntries(ALERT_STATES.map((s) => [s, counts.find((count) => count.state === s)?.n ?? 0])),
      lastEvaluation: last?.toISOString() ?? null,
      error: status?.error ?? null,
    };
  }
}
