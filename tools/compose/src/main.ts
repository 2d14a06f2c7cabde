import { join } from 'node:path';
import { bad, type Images } from './rehearsal-bad.js';
import { docker, findCompose, haveImage, run } from './docker.js';
import { live } from './rehearsal.js';
import { Project } from './project.js';
import { Report } from './report.js';
import { nodeImage, ROOT } from './root.js';
import { readCompose } from './stack-file.js';

interface Prepared {
  compose: string[];
  images: Images;
  withGrafana: boolean;
  env: Record<string, string>;
}

/** The public image's server runs as user 999; what stands in for it may be made otherwise, and then starts as root. */
async function postgresEnv(report: Report, image: string): Promise<Record<string, string>> {
  const version = /\d+/.exec(await docker('run', '--rm', '--entrypoint', 'postgres', image, '--version'))?.[0];
  if (!image.includes(`:${version}`))
    report.couldNot(`PostgreSQL as its tag says: ${image} holds PostgreSQL ${version}.`);
  const uid = await docker('run', '--rm', '--entrypoint', 'id', image, '-u', 'postgres');
  if (uid === '999') return {};
  report.couldNot(
    `PostgreSQL as user 999: ${image} is not the public image, its server is user ${uid} and its start is root's.`,
  );
  return { POSTGRES_USER_ID: '0', POSTGRES_SERVER_UID: uid };
}

/** What this process can not go on without is a sentence. */
async function prepare(report: Report): Promise<Prepared> {
  const engine = await run('docker', ['info']).catch(() => undefined);
  if (engine?.code !== 0) throw new Error('No Docker engine answers. Start one, or set DOCKER_HOST to its address.');
  const compose = await findCompose();
  if (!compose) throw new Error('There is neither "docker compose" nor "docker-compose". Install Docker Compose.');
  const { services } = readCompose(join(ROOT, 'docker-compose.yml'));
  const image = (name: string) =>
    services[name]!.image.replaceAll(
      /\$\{(\w+):-([^}]*)\}/g,
      (_, key: string, value: string) => process.env[key] || value,
    );
  const node = nodeImage();
  for (const name of ['postgres', 'prometheus', 'alertmanager'])
    if (!(await haveImage(image(name))))
      throw new Error(`The image ${image(name)} is not here and can not be fetched.`);
  if (!(await haveImage(node)))
    throw new Error(`The image ${node} is not here and can not be fetched. NODE_IMAGE names another.`);
  const env = await postgresEnv(report, image('postgres'));
  const withGrafana = await haveImage(image('grafana'));
  if (!withGrafana) report.couldNot(`Grafana: its image ${image('grafana')} is not here and can not be fetched.`);
  return { compose, images: { postgres: image('postgres'), ours: image('collector') }, withGrafana, env };
}

const report = new Report();
try {
  const { compose, images, withGrafana, env } = await prepare(report);
  const project = await Project.create(compose, 'vigil-rehearsal', {
    WEBHOOK_URL: 'http://receiver:9000/',
    ...env,
  });
  const services = ['runtime', 'collector', 'api', 'prometheus', 'alertmanager', ...(withGrafana ? ['grafana'] : [])];
  try {
    const row = await live(report, project, services, images);
    if (row !== undefined) await bad(report, project, services, images, row);
  } finally {
    await run('docker', ['rm', '-f', `${project.name}-receiver`]);
    await project.try(['down', '-v', '--remove-orphans']);
  }
  report.couldNot('GPUs: the CUDA image and vLLM were not built or started; gpu.yml and vllm.yml were parsed.');
} catch (error) {
  await report.step('The rehearsal', () => Promise.reject(error as Error));
}
if (!report.end()) process.exitCode = 1;
