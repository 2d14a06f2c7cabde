import { HelpWanted, parseWithPaths, UsageError } from '../options.js';
import { gather } from './gather.js';
import { API_URL, preview } from './preview.js';
import { printPreview } from './print-preview.js';
import { checkRules, testRules } from './run.js';

export const RULES_USAGE = `vigil rules: checks, tests and previews alert rules

  npx vigil rules check [PATH …]     reads rules and their test cases, and names every mistake: file:line: what is wrong
  npx vigil rules test [PATH …]      plays the test cases in tests/ beside the rules
  npx vigil rules preview FILE       says when a rule would have fired over the last week

  PATH                 a folder of rules, or files (else RULES_DIR, or the folder alerts)
  --rule NAME          test: this rule alone
  --from TIME          preview: now-7d unless given; ISO 8601, Unix seconds, now or now-1h
  --to TIME            preview: now unless given
  --step DURATION      preview: between two looks, 1m unless given
  --api URL            preview: ask this API (${API_URL} unless given)
  --database URL       preview: read this database instead (else DATABASE_URL, where it is set and --api is not)
  --json               the same as JSON

Exit codes: 0 all is well; 1 a mistake, a case that failed, or no answer; 2 wrong usage.`;

/** @returns the exit code */
export async function runRules([command, ...args]: readonly string[], print: (text: string) => void): Promise<number> {
  if (command === undefined || command === '--help' || command === '-h') {
    if (command === undefined) throw new UsageError(RULES_USAGE);
    throw new HelpWanted(RULES_USAGE);
  }
  // Files are named, in the answer too, from where the command was given.
  process.chdir(process.env['INIT_CWD'] ?? '.');
  const kinds = { json: 'flag' } as const;
  switch (command) {
    case 'check': {
      const { options, paths } = parseWithPaths(args, RULES_USAGE, kinds);
      const report = checkRules(await gather(paths));
      const end = report.ok
        ? `${counted(report.rules.length, 'rule')} and ${counted(report.cases, 'test case')}: all good.`
        : `${counted(report.mistakes.length, 'mistake')}.`;
      print(options.json ? JSON.stringify(report, null, 2) : [...report.mistakes, end].join('\n'));
      return report.ok ? 0 : 1;
    }
    case 'test': {
      const { options, paths } = parseWithPaths(args, RULES_USAGE, { ...kinds, rule: 'text' });
      const report = testRules(await gather(paths), options.rule);
      print(options.json ? JSON.stringify(report, null, 2) : report.lines.join('\n'));
      return report.ok ? 0 : 1;
    }
    case 'preview': {
      const { options, paths } = parseWithPaths(args, RULES_USAGE, {
        ...kinds,
        from: 'text',
        to: 'text',
        step: 'text',
        api: 'text',
        database: 'text',
      });
      if (paths.length !== 1) throw new UsageError(`Name one file with a rule.\n\n${RULES_USAGE}`);
      const answer = await preview(paths[0]!, options);
      if (typeof answer === 'string') {
        print(answer);
        return 1;
      }
      print(options.json ? JSON.stringify(answer, null, 2) : printPreview(answer));
      return 0;
    }
    default:
      throw new UsageError(`There is no "rules ${command}".\n\n${RULES_USAGE}`);
  }
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
