import { describeError, errorMessage, type Logger } from '@vigil/service';
import {
  adopt,
  enableRules,
  FolderError,
  switchOn,
  withoutMistakes,
  type Adopted,
  type Definition,
  type Refused,
  type Rule,
  type RuleFolder,
  type RuleSet,
} from '@vigil/rules';
import type { Sql } from '../database.js';
import type { LoadedRule } from '../evaluate/recorder.js';
import type { ApiMetrics } from '../metrics.js';
import type { Runbook } from '../notify/runbook.js';
import { Runbooks } from './runbooks.js';
import { readTeamRules, readTeamVersions, type TeamRule } from './team-rule-store.js';

/** A folder of rules, and where their runbooks lie beside it. */
export interface BookFolder {
  path: string;
  folder: RuleFolder;
}

export interface BookOptions {
  scope: string;
  /** In the order in which names are given out. */
  folders: readonly BookFolder[];
  /** Names, layers or `all`: rules of the folders to switch on. */
  enable: readonly string[];
  /** Between two looks at the folders. */
  everySeconds: number;
  metrics: ApiMetrics;
  log: Logger;
}

/** A rule that is in force, and what is known of it besides. */
export interface KnownRule extends Adopted {
  /** Where it was made through the API; undefined where it is a file. */
  team: TeamRule | undefined;
}

/** The path of a team rule in the API, in the place of a file's. */
export const teamRulePath = (name: string): string => `/api/v1/rules/${name}`;

/**
 * All rules: those of folders, which are looked at every few seconds, and those that were made through the API, which are
 * looked at in every beat. What can't be read is refused, and what was there before stays in force.
 */
export class RuleBook {
  private set: RuleSet = { rules: [], refused: [] };
  private ready: { rules: Rule[]; enabled: LoadedRule[]; known: Map<string, KnownRule> } = {
    rules: [],
    enabled: [],
    known: new Map(),
  };
  private readonly books: Runbooks;
  private found: Definition[][];
  private teams = new Map<string, TeamRule>();
  /** A sentence for each folder that can't be read at the moment. */
  private readonly missing = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private applying: Promise<void> = Promise.resolve();

  constructor(private readonly options: BookOptions) {
    this.found = options.folders.map(() => []);
    this.books = new Runbooks(
      options.folders.map(({ path }) => path),
      options.log,
    );
  }

  /** All that are in force, those that are off too. */
  get rules(): readonly Rule[] {
    return this.ready.rules;
  }

  /** Those that are evaluated. */
  get enabled(): readonly LoadedRule[] {
    return this.ready.enabled;
  }

  get known(): readonly KnownRule[] {
    return [...this.ready.known.values()];
  }

  find(name: string): KnownRule | undefined {
    return this.ready.known.get(name);
  }

  /** What was not taken, and folders that can't be read. */
  get refused(): Refused[] {
    return [...[...this.missing].map(([origin, error]) => ({ origin, error })), ...this.set.refused];
  }

  get runbooks(): ReadonlyMap<string, Runbook> {
    return this.books.texts;
  }

  /**
   * Reads everything for the first time.
   * @throws RuleError or FolderError where a file is wrong; a rule of the API that is wrong is refused
   */
  async open(sql: Sql): Promise<void> {
    for (const [i, { folder }] of this.options.folders.entries()) this.found[i] = (await folder.look()) ?? [];
    const files = withoutMistakes(adopt(this.set, this.found.flat()));
    enableRules(
      files.map(({ rule }) => rule),
      this.options.enable,
    );
    await this.readTeams(sql);
    await this.apply();
  }

  /** Looks at the folders from now on. A look that hangs, as network volumes do, is not followed by another. */
  watch(): void {
    const { log } = this.options;
    let isLooking = false;
    const look = async (): Promise<void> => {
      if (isLooking) return;
      isLooking = true;
      // A fault of ours must not end a process that alerts.
      await this.look().catch((error: unknown) => log.error({ reason: describeError(error) }, 'rules were not read'));
      isLooking = false;
    };
    this.timer = setInterval(() => void look(), this.options.everySeconds * 1000);
    this.timer.unref();
  }

  stop(): void {
    this.isStopped = true;
    clearInterval(this.timer);
  }

  /** Looks whether rules of the API have changed. */
  async refresh(sql: Sql): Promise<void> {
    if (await this.readTeams(sql)) await this.apply();
  }

  private async look(): Promise<void> {
    let changed = false;
    for (const [i, { folder, path }] of this.options.folders.entries())
      try {
        const found = await folder.look();
        changed = this.missing.delete(path) || changed;
        if (!found) continue;
        this.found[i] = found;
        changed = true;
      } catch (error) {
        const reason = error instanceof FolderError ? error.message : errorMessage(error);
        if (this.isStopped || this.missing.get(path) === reason) continue;
        this.missing.set(path, reason);
        this.options.log.error({ reason }, 'a folder of rules can not be read; its rules stay as they are');
        changed = true;
      }
    if (changed && !this.isStopped) await this.apply();
  }

  /** @returns whether anything changed */
  private async readTeams(sql: Sql): Promise<boolean> {
    const { scope } = this.options;
    const versions = await readTeamVersions(sql, scope);
    const stale = [...versions].filter(([name, version]) => this.teams.get(name)?.version !== version);
    if (stale.length === 0 && versions.size === this.teams.size) return false;
    const names = stale.map(([name]) => name);
    const fresh = new Map((await readTeamRules(sql, scope, names)).map((team) => [team.name, team]));
    const teams = [...versions.keys()].flatMap((name) => fresh.get(name) ?? this.teams.get(name) ?? []);
    this.teams = new Map(teams.map((team) => [team.name, team]));
    return true;
  }

  /** Puts what was found in force, one look after the other. */
  private apply(): Promise<void> {
    this.applying = this.applying.catch(() => undefined).then(() => this.adopt());
    return this.applying;
  }

  private async adopt(): Promise<void> {
    const { enable, metrics } = this.options;
    const teams = [...this.teams.values()].map(({ name, text }) => ({ origin: teamRulePath(name), text }));
    const before = this.set;
    this.set = adopt(before, [...this.found.flat(), ...teams]);
    this.report(before);
    const team = new Map([...this.teams.values()].map((rule) => [teamRulePath(rule.name), rule]));
    // A rule of the API is changed where it shall be on.
    const adopted = this.set.rules.map((one) =>
      team.has(one.origin)
        ? { ...one, team: team.get(one.origin) }
        : { ...one, rule: switchOn(one.rule, enable), team: undefined },
    );
    await this.books.follow(adopted);
    const rules = adopted.map(({ rule }) => rule);
    this.ready = {
      rules,
      enabled: rules.filter(({ enabled }) => enabled).map((rule) => this.loaded(rule)),
      known: new Map(adopted.map((one) => [one.rule.name, one])),
    };
    metrics.rules.set({ source: 'file' }, adopted.filter((one) => !one.team).length);
    metrics.rules.set({ source: 'api' }, adopted.filter((one) => one.team).length);
    metrics.rulesRefused.set(this.refused.length + this.set.rules.filter(({ error }) => error !== null).length);
  }

  private loaded(rule: Rule): LoadedRule {
    const runbook = this.books.texts.get(rule.name);
    return { rule, steps: runbook?.steps ?? [], hasRunbook: runbook !== undefined };
  }

  /** Each mistake is logged when it is new. */
  private report(before: RuleSet): void {
    const { log } = this.options;
    const known = new Set([...before.refused, ...before.rules].map(({ origin, error }) => `${origin} ${error}`));
    for (const { origin, error } of this.set.refused)
      if (!known.has(`${origin} ${error}`)) log.error({ file: origin, reason: error }, 'a rule was refused');
    for (const { rule, origin, error } of this.set.rules)
      if (error !== null && !known.has(`${origin} ${error}`))
        log.error(
          { rule: rule.name, file: origin, reason: error },
          'a rule was changed to what can not be read; it stays as it was',
        );
  }
}
