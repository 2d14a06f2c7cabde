import type { z } from 'zod';

/** A sentence on what is wrong with a body, and the parameter as OpenAI writes it, such as `messages[0].content`. */
export function describeIssue(issue: z.core.$ZodIssue): { message: string; param: string | undefined } {
  // Within alternatives the one that came furthest knows best what is wrong.
  if (issue.code === 'invalid_union') {
    const deepest = issue.errors
      .flat()
      .filter(({ path }) => path.length > 0)
      .toSorted((a, b) => b.path.length - a.path.length)[0];
    if (deepest) return describeIssue({ ...deepest, path: [...issue.path, ...deepest.path] });
  }
  const param = issue.path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
  return param === ''
    ? { message: `The body is wrong: ${issue.message}.`, param: undefined }
    : { message: `${param} is wrong: ${issue.message}.`, param };
}
