import type { Sql } from '../database.js';

/** A rule that was made through the API. */
export interface TeamRule {
  name: string;
  /** YAML, as in a file of rules. */
  text: string;
  author: string | null;
  createdAt: Date;
  updatedAt: Date;
  /** Differs after every change. */
  version: string;
}

interface TeamRuleRow {
  name: string;
  source: string;
  author: string | null;
  created_at: Date;
  updated_at: Date;
  version: string;
}

const COLUMNS = 'name, source, author, created_at, updated_at, xmin::text AS version';

const fromRow = (row: TeamRuleRow): TeamRule => ({
  name: row.name,
  text: row.source,
  author: row.author,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  version: row.version,
});

/** The names of a scope's rules with their versions: little, so that it can be asked in every beat. */
export async function readTeamVersions(sql: Sql, scope: string): Promise<Map<string, string>> {
  const rows = (await sql.query('SELECT name, xmin::text AS version FROM team_rule WHERE scope = $1 ORDER BY name', [
    scope,
  ])) as { name: string; version: string }[];
  return new Map(rows.map(({ name, version }) => [name, version]));
}

export async function readTeamRules(sql: Sql, scope: string, names: readonly string[]): Promise<TeamRule[]> {
  if (names.length === 0) return [];
  const rows = (await sql.query(`SELECT ${COLUMNS} FROM team_rule WHERE scope = $1 AND name = ANY($2)`, [
    scope,
    names,
  ])) as TeamRuleRow[];
  return rows.map(fromRow);
}

export interface NewTeamRule {
  name: string;
  text: string;
  author: string | null;
}

/**
 * Adds a rule, unless the scope has one of its name, or as many as there may be.
 * @returns whether it was added
 */
export async function addTeamRule(
  sql: Sql,
  scope: string,
  { name, text, author }: NewTeamRule,
  most: number,
): Promise<'added' | 'exists' | 'full'> {
  // Two at once must not both be the last one.
  await sql.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`team_rule ${scope}`]);
  const [{ n }] = (await sql.query('SELECT count(*)::int AS n FROM team_rule WHERE scope = $1', [scope])) as [
    { n: number },
  ];
  const [known] = await readTeamRules(sql, scope, [name]);
  if (known) return 'exists';
  if (n >= most) return 'full';
  await sql.query(
    'INSERT INTO team_rule (scope, name, source, author, created_at, updated_at) VALUES ($1, $2, $3, $4, now(), now())',
    [scope, name, text, author],
  );
  return 'added';
}

/** @returns whether there was such a rule */
export async function changeTeamRule(sql: Sql, scope: string, rule: NewTeamRule): Promise<boolean> {
  const [rows] = (await sql.query(
    `UPDATE team_rule SET source = $3, author = coalesce($4, author), updated_at = now()
     WHERE scope = $1 AND name = $2 RETURNING name`,
    [scope, rule.name, rule.text, rule.author],
  )) as [unknown[], number];
  return rows.length > 0;
}

/** @returns whether there was such a rule */
export async function dropTeamRule(sql: Sql, scope: string, name: string): Promise<boolean> {
  const [rows] = (await sql.query('DELETE FROM team_rule WHERE scope = $1 AND name = $2 RETURNING name', [
    scope,
    name,
  ])) as [unknown[], number];
  return rows.length > 0;
}
