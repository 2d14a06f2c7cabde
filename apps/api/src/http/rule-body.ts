import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes } from '@nestjs/swagger';
import { parseRule, ruleSchema, type Rule } from '@vigil/rules';
import { stringify } from 'yaml';
import { teamRulePath } from '../rules/book.js';
import { ApiError, badParameter } from './errors.js';

const { $schema: _, ...SCHEMA } = ruleSchema() as { $schema?: string };

/** Says in the OpenAPI description that a rule is expected. */
export const DescribeRuleBody = (): MethodDecorator =>
  applyDecorators(
    ApiConsumes('application/json', 'application/yaml'),
    ApiBody({ schema: SCHEMA, description: 'A rule as in alerts/*.yaml, in JSON or YAML' }),
  );

/** A rule that somebody sent. */
export interface SentRule {
  rule: Rule;
  /** In YAML. */
  text: string;
}

/**
 * Reads a rule from a body: YAML as in a file, or the same fields as JSON.
 * @throws ApiError (400) with a sentence for every mistake; those of YAML with their line
 */
export function readRule(body: unknown): SentRule {
  const isText = typeof body === 'string';
  if (!isText && (typeof body !== 'object' || body === null || Array.isArray(body)))
    throw badParameter(
      'The body must be a rule: a JSON object, or YAML with the content type application/yaml. Its fields are those of a file of rules, such as "alert" and "signal".',
    );
  const text = isText ? body : textOf(body);
  const { rule, problems } = parseRule(text, 'rule');
  if (rule) return { rule: { ...rule, file: teamRulePath(rule.name) }, text };
  // Lines of what was made of JSON are nobody's.
  throw new ApiError(
    400,
    'bad_rule',
    problems.map(({ line, mistake }) => (isText ? `Line ${line}: ${mistake}` : mistake)).join('\n'),
  );
}

/** Fields in the order in which they were sent. What is nested too deeply to be written is no rule. */
function textOf(body: object): string {
  try {
    return stringify(body, { lineWidth: 0 });
  } catch {
    throw badParameter('The body is nested too deeply to be a rule.');
  }
}
