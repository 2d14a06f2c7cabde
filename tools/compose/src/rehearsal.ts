import { until } from '@vigil/testing';
import { docker } from './docker.js';
import { killed } from './kill.js';
import { alertArrives, chat, ownSecrets, readings, rowOf, scraped, startReceiver } from './life.js';
import type { Project } from './project.js';
import type { Images } from './rehearsal-bad.js';
import type { Report } from './report.js';
import { nodeImage } from './root.js';

const OURS = ['setup', 'runtime', 'collector', 'api'] as const;
/** Of what lies upon the base image. */
const LAYERS_MAX = 350 - 230;
const AGAIN_MAX_S = 60;

async function build(project: Project): Promise<string> {
  const first = await project.do(['build', ...OURS]);
  const again = await project.do(['build', ...OURS]);
  if (again.seconds > AGAIN_MAX_S)
    throw new Error(`Building again without a change took ${again.seconds.toFixed(0)} s.`);
  return `${first.seconds.toFixed(0)} s, and again without a change ${again.seconds.toFixed(0)} s`;
}

/** MB of each image, and of what lies upon its base. */
async function sizes(base: string): Promise<string> {
  const size = async (image: string) => Number(await docker('image', 'inspect', '--format', '{{.Size}}', image)) / 1e6;
  const below = await size(base);
  const parts: string[] = [];
  for (const name of OURS) {
    const all = await size(`vigil-${name}:${process.env.VIGIL_VERSION || '0.1.0'}`);
    parts.push(`${name} ${all.toFixed(0)} MB (${(all - below).toFixed(0)} upon the base)`);
    if (all - below > LAYERS_MAX)
      throw new Error(`${name}: ${(all - below).toFixed(0)} MB upon the base are more than ${LAYERS_MAX}.`);
  }
  return parts.join(', ');
}

/**
 * From nothing to a stack that was killed in every part.
 * @returns the id of a row that must never be lost; `undefined` where the stack did not come up
 */
export async function live(
  report: Report,
  project: Project,
  services: readonly string[],
  images: Images,
): Promise<string | undefined> {
  for (const file of ['gpu', 'vllm'])
    await report.step(`deploy/compose/${file}.yml is read`, async () => {
      const { code, output } = await project.try(['config', '-q'], {}, [`deploy/compose/${file}.yml`]);
      if (code !== 0) throw new Error(output);
    });
  if (!(await report.step('The images are built, twice', () => build(project)))) return undefined;
  await report.step('The images are small', () => sizes(nodeImage()));
  const up = await report.step('up', async () => {
    await project.do(['up', '-d', ...services]);
    for (const service of ['postgres', ...services]) await project.healthy(service);
    return (await project.logs('setup')).trim();
  });
  if (!up) return undefined;
  await report.step('Each service sees its own secrets and no others', () => ownSecrets(project, services));
  const receiver = await startReceiver(project, images.ours);
  const rows: string[] = [];
  const talk = async () => {
    const id = await chat(project);
    await rowOf(project, id);
    rows.push(id);
  };
  if (!(await report.step('A chat is answered, and its row is in PostgreSQL', talk))) return undefined;
  await report.step('Prometheus scrapes every job and counts the chat', () =>
    scraped(project, ['runtime', 'collector', 'api', 'prometheus', 'alertmanager']),
  );
  await report.step('An alert reaches a webhook', () => alertArrives(project, receiver));
  // Of Alertmanager only that it returns: it writes its silences down every quarter of an hour, and when it is stopped.
  for (const service of ['postgres', ...services])
    await report.step(`${service} is killed and comes back; rows and readings are there`, async () => {
      const before = await readings(project);
      await killed(project, service);
      await talk();
      for (const id of rows) await rowOf(project, id);
      await until('the readings from before', async () => (await readings(project)) >= before);
    });
  await report.step('A chat while the collector is away is not lost', async () => {
    await project.do(['stop', 'collector']);
    const id = await chat(project);
    await project.do(['start', 'collector']);
    await rowOf(project, id, 120);
    rows.push(id);
  });
  await report.step('down and up keep the data', async () => {
    const before = await readings(project);
    await docker('rm', '-f', receiver);
    await project.do(['down']);
    await project.do(['up', '-d', ...services]);
    for (const service of services) await project.healthy(service);
    for (const id of rows) await rowOf(project, id);
    await until('the readings from before', async () => (await readings(project)) >= before);
    return `${rows.length} rows, ${before} readings in Prometheus`;
  });
  return rows[0];
}
