import { describeProblem, type Problem } from './document.js';
import { parseRule } from './parse.js';
import type { Rule } from './types.js';

/** A rule as somebody wrote it. */
export interface Definition {
  /** Where it stands: the path of its file, or that of the API. */
  origin: string;
  text: string;
  /** A sentence, where it is there and can't be read. */
  unreadable?: string;
}

/** A rule that is in force. */
export interface Adopted extends Definition {
  rule: Rule;
  /** Why what stands there now is not in force, and this, its former text, still is; one line a mistake. */
  error: string | null;
}

/** Something that was not taken, and for which nothing is in force. */
export interface Refused {
  origin: string;
  /** One line a mistake. */
  error: string;
}

export interface RuleSet {
  rules: Adopted[];
  refused: Refused[];
}

interface Candidate extends Definition {
  rule: Rule | undefined;
  /** The line of its name. */
  line: number;
  problems: readonly Problem[];
  former: Adopted | undefined;
}

/**
 * Which rules are in force after a look at everything that is defined. What can't be read, or takes another one's name,
 * is refused; where it was good before, it stays as it was. One that is refused stops no other. Pure.
 * @param before what was in force until now
 * @param found everything that is defined now, in the order in which names are given out: the first one keeps its name
 */
export function adopt(before: RuleSet, found: readonly Definition[]): RuleSet {
  const formerly = new Map(before.rules.map((adopted) => [adopted.origin, adopted]));
  const candidates = found.map((definition) => read(definition, formerly.get(definition.origin)));
  const taken = new Map<string, Candidate>();
  const kept = new Map<Candidate, Adopted>();
  const mistakes = new Map<Candidate, Problem[]>();
  // Among files, whoever has a name keeps it, whatever comes before it in the alphabet. A file takes it from the API: each
  // replica reads files when it starts, and all must decide alike.
  const hasIt = ({ rule, former, origin }: Candidate) =>
    !isOfApi(origin) && rule !== undefined && former?.rule.name === rule.name;
  for (const candidate of [...candidates.filter(hasIt), ...candidates.filter((c) => !hasIt(c))]) {
    const { rule, origin, text } = candidate;
    const other = rule && taken.get(rule.name);
    if (rule && !other) {
      taken.set(rule.name, candidate);
      kept.set(candidate, { rule, origin, text, error: null });
    } else mistakes.set(candidate, [...candidate.problems, ...(other ? [nameTaken(candidate, other)] : [])]);
  }
  const refused: Refused[] = [];
  for (const candidate of candidates) {
    const problems = mistakes.get(candidate);
    if (!problems) continue;
    const error = problems.map(describeProblem).join('\n');
    const { former, origin } = candidate;
    if (former && !taken.has(former.rule.name)) {
      taken.set(former.rule.name, candidate);
      kept.set(candidate, { ...former, error });
    } else refused.push({ origin, error });
  }
  return { rules: candidates.flatMap((candidate) => kept.get(candidate) ?? []), refused };
}

function read(definition: Definition, former: Adopted | undefined): Candidate {
  const { origin, text, unreadable } = definition;
  if (unreadable !== undefined) {
    const problems = [{ file: origin, line: 1, mistake: unreadable }];
    return { ...definition, rule: undefined, line: 1, problems, former };
  }
  if (former?.text === text && former.error === null)
    return { ...definition, rule: former.rule, line: 1, problems: [], former };
  const { rule, line, problems } = parseRule(text, origin);
  return { ...definition, rule, line, problems, former };
}

const isOfApi = (origin: string): boolean => origin.startsWith('/api/');

const nameTaken = ({ rule, origin, line }: Candidate, other: Candidate): Problem => ({
  file: origin,
  line,
  mistake: `The alert ${rule!.name} is already defined in ${other.origin}${isOfApi(other.origin) ? '' : `:${other.line}`}: rename one.`,
});
