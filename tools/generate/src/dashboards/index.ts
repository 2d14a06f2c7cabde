import type { Rule } from '@vigil/rules';
import { conversation } from './conversation.js';
import { engine } from './engine.js';
import type { DashboardFile } from './frame.js';
import { incidents } from './incidents.js';
import { infrastructure } from './infrastructure.js';
import { limitsOf, type Limits } from './meaning.js';
import { overview } from './overview.js';
import { service } from './service.js';
import { LANGUAGES, type Language } from './words.js';

const DASHBOARDS: Readonly<Record<string, (language: Language, limits: Limits) => DashboardFile>> = {
  'vigil-overview': overview,
  'vigil-infrastructure': infrastructure,
  'vigil-service': service,
  'vigil-conversation': conversation,
  'vigil-engine': engine,
  'vigil-alerts': incidents,
};

/** Every dashboard in every language, by its path in the repository. */
export function dashboards(rules: readonly Rule[]): Record<string, DashboardFile> {
  const limits = limitsOf(rules);
  return Object.fromEntries(
    LANGUAGES.flatMap((language) =>
      Object.entries(DASHBOARDS).map(([name, make]) => [
        `dashboards/${language === 'en' ? '' : `${language}/`}${name}.json`,
        make(language, limits),
      ]),
    ),
  );
}
