import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '@vigil/service';
import { fleet, HOLD, type Gpu } from './alerts-fleet.js';

const find = (names: readonly string[]): string => {
  const found = names.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (found) return found;
  throw new UserError(`There is no ${names[0]} on the PATH. Install it (Debian: apt-get install ${names[0]}).`);
};

/** Prometheus and Alertmanager at their defaults, reading one gauge of each GPU, telling the address. */
export async function startPrometheus(
  folder: string,
  full: ReadonlySet<Gpu>,
  webhook: string,
  started: ChildProcess[],
): Promise<{ exporter: Server }> {
  const programs = {
    prometheus: find(['prometheus']),
    alertmanager: find(['prometheus-alertmanager', 'alertmanager']),
  };
  const exporter = createServer((_, response) => {
    const lines = fleet.map(
      (gpu) => `gpu_memory_ratio{node="${gpu.node}",gpu="${gpu.gpu}"} ${full.has(gpu) ? 0.95 : 0.5}`,
    );
    response.end(`# TYPE gpu_memory_ratio gauge\n${lines.join('\n')}\n`);
  }).listen(0, '127.0.0.1');
  await once(exporter, 'listening');
  const [prometheus, alertmanager] = [await freePort(), await freePort()];
  // Each alert by itself: in one group, all but the first would wait for group_interval, five minutes.
  await writeFile(
    join(folder, 'alertmanager.yml'),
    `route: { receiver: bench, group_by: ['...'] }\nreceivers: [{ name: bench, webhook_configs: [{ url: '${webhook}' }] }]\n`,
  );
  await writeFile(
    join(folder, 'rules.yml'),
    `groups: [{ name: bench, rules: [{ alert: Full, expr: 'gpu_memory_ratio > 0.9', for: ${HOLD}s }] }]\n`,
  );
  await writeFile(
    join(folder, 'prometheus.yml'),
    `global: { scrape_interval: 15s, evaluation_interval: 15s }
rule_files: [${join(folder, 'rules.yml')}]
alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:${alertmanager}'] }] }] }
scrape_configs: [{ job_name: bench, static_configs: [{ targets: ['127.0.0.1:${(exporter.address() as AddressInfo).port}'] }] }]
`,
  );
  const run = (program: string, ...options: string[]): void => {
    started.push(spawn(program, options, { stdio: 'ignore' }));
  };
  run(
    programs.alertmanager,
    `--config.file=${join(folder, 'alertmanager.yml')}`,
    `--storage.path=${join(folder, 'alertmanager')}`,
    `--web.listen-address=127.0.0.1:${alertmanager}`,
    '--cluster.listen-address=',
  );
  run(
    programs.prometheus,
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${prometheus}`,
  );
  for (const port of [alertmanager, prometheus]) await ready(`http://127.0.0.1:${port}/-/ready`);
  // The first scrape, before which nothing is known.
  await sleep(16_000);
  return { exporter };
}

async function ready(url: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await sleep(100);
  }
  throw new UserError(`Nothing answers at ${url}.`);
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
