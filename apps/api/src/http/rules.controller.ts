import { Body, Controller, Delete, Get, Header, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import {
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { transaction } from '@vigil/store';
import { ask } from '../database.js';
import { readSilences } from '../notify/silence-store.js';
import { addTeamRule, changeTeamRule, dropTeamRule } from '../rules/team-rule-store.js';
import type { KnownRule } from '../rules/book.js';
import { API_CONTEXT, type ApiContext } from './context.js';
import { DescribeErrors } from './docs.js';
import { ErrorAnswer } from './dto.js';
import { ApiError } from './errors.js';
import { knownOnly, text, type Query as Parameters } from './parameters.js';
import { DescribeRuleBody, readRule } from './rule-body.js';
import { RuleDetail, RuleItem, RuleList } from './rule-dto.js';
import { toRuleItem, type StateCount } from './rule-item.js';

/** So many rules of a scope may be made through the API. */
const MOST_TEAM_RULES = 1000;

const AUTHOR = { name: 'author', required: false, description: 'Who makes or changes it' } as const;

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
    const { book } = this.context;
    const refused = book.refused.map(({ origin, error }) => ({ file: origin, error }));
    return { items: await this.items(book.known), refused, next: null };
  }

  @Get(':rule')
  @ApiOperation({ summary: 'One rule, with its text' })
  @ApiOkResponse({ type: RuleDetail })
  @ApiNotFoundResponse({ type: ErrorAnswer })
  async rule(@Param('rule') name: string): Promise<RuleDetail> {
    return this.detail(name);
  }

  @Post()
  @ApiOperation({ summary: 'Makes a rule; it is evaluated from the next beat on, whichever process does that' })
  @DescribeRuleBody()
  @ApiQuery(AUTHOR)
  @ApiCreatedResponse({ type: RuleDetail })
  @ApiConflictResponse({ type: ErrorAnswer, description: 'There is a rule of that name' })
  async add(@Body() body: unknown, @Query() query: Parameters): Promise<RuleDetail> {
    const author = authorIn(query);
    const { rule, text: source } = readRule(body);
    this.refuseFile(rule.name);
    const { store, scope } = this.context;
    const result = await ask(() =>
      transaction(store, (sql) => addTeamRule(sql, scope, { name: rule.name, text: source, author }, MOST_TEAM_RULES)),
    );
    if (result === 'exists')
      throw new ApiError(409, 'exists', `There is a rule "${rule.name}" already. PUT ${rule.file} changes it.`);
    if (result === 'full')
      throw new ApiError(409, 'full', `There are ${MOST_TEAM_RULES} rules already. Delete one that nobody needs.`);
    return this.changed(rule.name);
  }

  @Put(':rule')
  @ApiOperation({ summary: 'Changes a rule that was made here. Alerts that it is no longer about are over' })
  @DescribeRuleBody()
  @ApiQuery(AUTHOR)
  @ApiOkResponse({ type: RuleDetail })
  @ApiNotFoundResponse({ type: ErrorAnswer })
  @ApiConflictResponse({ type: ErrorAnswer, description: 'It is a file' })
  async change(@Param('rule') name: string, @Body() body: unknown, @Query() query: Parameters): Promise<RuleDetail> {
    const author = authorIn(query);
    const { rule, text: source } = readRule(body);
    if (rule.name !== name)
      throw new ApiError(
        400,
        'bad_rule',
        `The rule's name is "${rule.name}", and the path says "${name}". To rename a rule, make a new one and delete the old one.`,
      );
    this.refuseFile(name);
    const { store, scope } = this.context;
    const found = await ask(() => changeTeamRule(store, scope, { name, text: source, author }));
    if (!found) throw notFound(name);
    return this.changed(name);
  }

  @Delete(':rule')
  @HttpCode(204)
  @ApiOperation({ summary: 'Removes a rule that was made here. What fires of it is over, and told with that reason' })
  @ApiNoContentResponse()
  @ApiNotFoundResponse({ type: ErrorAnswer })
  @ApiConflictResponse({ type: ErrorAnswer, description: 'It is a file' })
  async remove(@Param('rule') name: string): Promise<void> {
    const { store, scope, book } = this.context;
    const found = isName(name) && (await ask(() => dropTeamRule(store, scope, name)));
    if (!found) {
      this.refuseFile(name);
      throw notFound(name);
    }
    await ask(() => book.refresh(store));
  }

  @Get(':rule/runbook')
  @Header('content-type', 'text/markdown; charset=utf-8')
  @ApiOperation({ summary: 'What to do when a rule fires' })
  @ApiProduces('text/markdown')
  @ApiOkResponse({ description: 'The runbook as Markdown' })
  runbook(@Param('rule') name: string): string {
    const runbook = this.context.book.runbooks.get(name);
    if (runbook) return runbook.text;
    throw new ApiError(404, 'not_found', `There is no runbook of a rule "${name}" here. /api/v1/rules lists them.`);
  }

  /** What stands in a file is changed there: two places that say what a rule is would be one too many. */
  private refuseFile(name: string): void {
    const known = this.context.book.find(name);
    if (known && !known.team)
      throw new ApiError(409, 'is_file', `The rule "${name}" is a file, ${known.origin}: change it there.`);
  }

  private async changed(name: string): Promise<RuleDetail> {
    const { book, store } = this.context;
    await ask(() => book.refresh(store));
    return this.detail(name);
  }

  private async detail(name: string): Promise<RuleDetail> {
    const known = this.context.book.find(name);
    if (!known) throw notFound(name);
    const [item] = await this.items([known]);
    return { ...item!, definition: known.text };
  }

  private async items(known: readonly KnownRule[]): Promise<RuleItem[]> {
    const { store, scope, book, evaluator } = this.context;
    const counts = (await ask(() =>
      store.query(
        `SELECT rule, state, count(*)::int AS n, max(evaluated_at) AS evaluated_at FROM alert
         WHERE scope = $1 AND rule = ANY($2) GROUP BY rule, state`,
        [scope, known.map(({ rule }) => rule.name)],
      ),
    )) as StateCount[];
    const silences = await ask(() => readSilences(store, scope, new Date()));
    const byRule = Map.groupBy(counts, ({ rule }) => rule);
    return known.map((one) =>
      toRuleItem(one, book, evaluator.status.get(one.rule.name), byRule.get(one.rule.name) ?? [], silences),
    );
  }
}

/** What no rule is called, PostgreSQL need not be asked for. */
const isName = (name: string): boolean => /^[A-Za-z_]\w{0,99}$/.test(name);

const notFound = (name: string): ApiError =>
  new ApiError(404, 'not_found', `There is no rule "${name}". /api/v1/rules lists them.`);

function authorIn(query: Parameters): string | null {
  knownOnly(query, ['author']);
  return text(query, 'author')?.slice(0, 200) ?? null;
}
