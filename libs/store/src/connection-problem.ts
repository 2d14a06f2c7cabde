/** Nobody is there, nobody can be asked the way, or nobody answers in time. */
const AWAY: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'host unreachable',
  EHOSTDOWN: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name is not known',
  // PostgreSQL itself, which is starting up, recovering or stopping.
  '57P03': 'it takes no connections yet',
};
/** The driver's own errors have no code. */
const DRIVER_AWAY: Readonly<Record<string, string>> = {
  'timeout expired': 'no answer in time',
  'Connection terminated unexpectedly': 'connection closed',
};

/** The code of an error; a host with several addresses fails with an error for each. */
function codeOf(error: unknown): string | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return (error as { code?: string }).code ?? (first as { code?: string } | undefined)?.code;
}

/** In a few words why a server does not answer; `undefined` where it answered, and waiting would not help. */
export function whyAway(error: unknown): string | undefined {
  return AWAY[codeOf(error) ?? ''] ?? DRIVER_AWAY[(error as Error).message];
}

/** A sentence on why a database can't be reached, without its password. */
export function connectionProblem(error: unknown, url: string): string {
  const where = describeUrl(url);
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return `No PostgreSQL answers at ${where}. Start it, or correct DATABASE_URL.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host of DATABASE_URL (${where}) is not known. Correct its name.`;
    case '28P01':
    case '28000':
      return `PostgreSQL at ${where} refuses the user or password of DATABASE_URL. Correct them.`;
    case '3D000':
      return `PostgreSQL at ${where} has no such database. Create it, or correct DATABASE_URL.`;
    case '57P03':
      return `PostgreSQL at ${where} is starting up or stopping. Its log says what it is at.`;
    default:
      return `PostgreSQL at ${where} can't be used (${(error as Error).message || String(code ?? error)}). Check DATABASE_URL.`;
  }
}

/** Where a database is, without user and password. */
export function describeUrl(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || 'localhost'}:${port || 5432}${pathname}`;
  } catch {
    return 'an address that is not a URL';
  }
}
