import { pino, type Logger } from 'pino';

export type { Logger };

/** Secrets that could stand in a logged object are cut out by path, whatever logs them. */
const REDACTED = [
  'authorization',
  'headers.authorization',
  'req.headers.authorization',
  'apiKey',
  'password',
  'url.password',
];

/** JSON lines on standard output, one logger a process. */
export function createLogger(service: string, level: string): Logger {
  return pino({
    level,
    base: { service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[secret]' },
  });
}

/** A URL with user, password and query cut out, so that it can be logged. */
export function withoutSecrets(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
  } catch {
    return '(not a URL)';
  }
}
