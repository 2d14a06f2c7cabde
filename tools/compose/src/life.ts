import { until } from '@vigil/testing';
import { docker, run } from './docker.js';
import { getJson, type Project } from './project.js';

const RULE = 'RehearsalTraffic';

/** A chat with the stack's runtime. @returns the answer's id, which is its row's too */
export async function chat(project: Project): Promise<string> {
  const { data } = await getJson<{ data: { id: string }[] }>(project.url('RUNTIME_PORT', '/v1/models'));
  const body = { model: data[0]!.id, messages: [{ role: 'user', content: 'What is 347 + 286?' }], max_tokens: 200 };
  const answer = await getJson<{ id: string; choices: { message: { content: string | null } }[] }>(
    project.url('RUNTIME_PORT', '/v1/chat/completions'),
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
  );
  if (answer.choices.length !== 1) throw new Error('The runtime answered without a choice.');
  return answer.id;
}

/** Waits until the answer's row is in PostgreSQL, read through the API. */
export async function rowOf(project: Project, id: string, seconds = 60): Promise<void> {
  await until(
    `the row of ${id}`,
    async () => {
      const url = project.url('API_PORT', `/api/v1/requests?response_id=${encodeURIComponent(id)}`);
      return (await getJson<{ items: unknown[] }>(url)).items.length === 1;
    },
    seconds,
  );
}

/** What Prometheus answers to an instant query, as value by labels. */
export async function query(
  project: Project,
  promql: string,
): Promise<{ metric: Record<string, string>; value: number }[]> {
  const url = project.url('PROMETHEUS_PORT', `/api/v1/query?query=${encodeURIComponent(promql)}`);
  const { data } = await getJson<{ data: { result: { metric: Record<string, string>; value: [number, string] }[] } }>(
    url,
  );
  return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

/** Waits until every job is scraped, and chats are counted. */
export async function scraped(project: Project, jobs: readonly string[]): Promise<void> {
  for (const job of jobs)
    await until(`the scrape of ${job}`, async () => (await query(project, `up{job="${job}"}`))[0]?.value === 1, 90);
  const counted = 'sum(gen_ai_server_request_duration_seconds_count)';
  await until('the chat in Prometheus', async () => ((await query(project, counted))[0]?.value ?? 0) > 0, 90);
}

/** How many readings of the API's health Prometheus holds. */
export async function readings(project: Project): Promise<number> {
  return (await query(project, 'count_over_time(up{job="api"}[1h])'))[0]?.value ?? 0;
}

/** A receiver of webhooks within the stack's network, made of one of its own images; what arrives is in its log. */
export async function startReceiver(project: Project, image: string): Promise<string> {
  const program =
    "require('node:http').createServer((q,a)=>{let t='';q.on('data',c=>t+=c);q.on('end',()=>{console.log(t);a.end()})}).listen(9000)";
  const name = `${project.name}-receiver`;
  return docker(
    'run',
    '-d',
    '--name',
    name,
    '--network',
    project.network,
    '--network-alias',
    'receiver',
    image,
    'node',
    '-e',
    program,
  );
}

/** Makes a rule that holds as soon as anybody chats, and waits for its message. */
export async function alertArrives(project: Project, receiver: string): Promise<void> {
  const rule = {
    alert: RULE,
    signal: 'request.rate',
    condition: { above: 0 },
    over: '5m',
    severity: 'info',
    summary: 'Somebody chats',
    action: 'https://example.com/runbook',
  };
  await getJson(project.url('API_PORT', '/api/v1/rules?author=rehearsal'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  });
  await until(
    `the message of ${RULE}`,
    async () => (await run('docker', ['logs', receiver])).output.includes(RULE),
    90,
  );
}

/** What each service finds in its volume of secrets; what is not named here finds none. */
const SECRETS: Readonly<Record<string, readonly string[]>> = {
  postgres: ['grafana_database_password', 'postgres_password'],
  collector: ['database_url'],
  api: ['alertmanager_webhook_key', 'database_url'],
  alertmanager: ['alertmanager_webhook_key'],
  grafana: ['grafana_admin_password', 'grafana_database_password'],
};

export async function ownSecrets(project: Project, services: readonly string[]): Promise<void> {
  for (const service of ['postgres', ...services]) {
    const { id } = await project.container(service);
    const { output } = await run('docker', [
      'exec',
      id,
      'sh',
      '-c',
      'cd /run/vigil/secrets 2>/dev/null && ls -A || true',
    ]);
    const found = output.split(/\s+/).filter((name) => name !== '');
    const wanted = SECRETS[service] ?? [];
    if (found.toSorted().join(' ') !== wanted.join(' '))
      throw new Error(`${service} sees ${found.join(', ') || 'no secret'}, and not ${wanted.join(', ') || 'none'}.`);
  }
}
