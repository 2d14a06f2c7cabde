import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** A service of a compose file, as far as its rules are looked at. */
export interface ComposeService {
  image: string;
  build?: { target: string };
  restart?: string;
  read_only?: boolean;
  user?: string;
  cap_drop?: string[];
  mem_limit?: string;
  pid?: string;
  tmpfs?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test?: string[]; disable?: boolean };
  depends_on?: Record<string, { condition: string }>;
  profiles?: string[];
}

export interface ComposeFile {
  services: Record<string, ComposeService>;
  volumes?: Record<string, unknown>;
}

export function readCompose(file: string): ComposeFile {
  return parse(readFileSync(file, 'utf8'), { merge: true }) as ComposeFile;
}

/** A value with the presets of its variables, as compose takes it where nothing is set: `${NAME:-preset}`. */
export function preset(text: string): string {
  return text.replaceAll(/\$\{\w+(?::-([^}]*))?\}/g, (_, value: string | undefined) => value ?? '');
}

const ONCE = 'no';

/**
 * What a service breaks of the rules of the stack (docs/COMPOSE.md), a sentence each.
 * @param volumes the named volumes of the file
 */
export function checkService(name: string, service: ComposeService, volumes: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const demand = (holds: boolean, sentence: string) => {
    if (!holds) problems.push(`${name}: ${sentence}`);
  };
  const once = service.restart === ONCE;
  demand(/:[^:/]*\d+\.\d+(\.\d+)?[^:/]*$/.test(preset(service.image)), 'the image has no tag of a version.');
  demand(once || service.restart === 'unless-stopped', 'restart is neither unless-stopped nor no.');
  demand(service.read_only === true, 'its root file system can be written.');
  demand(
    (service.tmpfs ?? []).some((entry) => entry.startsWith('/tmp')),
    'it has no /tmp in memory.',
  );
  demand(service.mem_limit !== undefined, 'its memory has no limit.');
  demand(!/^(|0|root)(:|$)/.test(preset(service.user ?? '')), 'it runs as root.');
  demand(service.cap_drop?.includes('ALL') === true, "it keeps the engine's capabilities.");
  demand(once || (service.healthcheck?.test?.length ?? 0) > 1, 'nothing looks whether it is healthy.');
  for (const entry of service.ports ?? [])
    demand(preset(entry).startsWith('127.0.0.1:'), `the port ${entry} is open to others unless set.`);
  for (const entry of service.volumes ?? []) {
    const [source = '', , mode] = preset(entry).split(':');
    if (/^[./]/.test(source)) demand(mode === 'ro', `${source} of the host can be written.`);
    else demand(volumes.has(source), `the volume ${source} has no name in the file.`);
  }
  for (const [key, value] of Object.entries(service.environment ?? {}))
    demand(
      !/(_KEYS?|TOKEN|SECRET|PASSWORD|_URL)$/.test(key) || !/:\/\/[^/]*:[^/]*@/.test(preset(value)),
      `${key} holds a password.`,
    );
  for (const [other, { condition }] of Object.entries(service.depends_on ?? {}))
    demand(
      condition === 'service_healthy' || condition === 'service_completed_successfully',
      `it does not wait until ${other} is well.`,
    );
  return problems;
}
