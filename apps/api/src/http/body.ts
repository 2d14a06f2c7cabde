import type { z } from 'zod';
import { badParameter } from './errors.js';

/**
 * A body as the schema wants it.
 * @throws ApiError (400) with a sentence for every mistake
 */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const sentences = parsed.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys')
      return `There is no field ${issue.keys.map((key) => `"${key}"`).join(', ')}.`;
    return issue.path.length === 0 ? `The body ${issue.message}.` : `"${issue.path.join('.')}" ${issue.message}.`;
  });
  throw badParameter(sentences.join(' '));
}
