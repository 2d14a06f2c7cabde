/** One thing that can be well or ill. `required` decides whether an ill one makes the process not ready. */
export interface HealthCheck {
  name: string;
  required: boolean;
  /** Answers a sentence when ill, `undefined` when well. Quick and without I/O: report a state that is kept elsewhere. */
  check: () => string | undefined;
}

export interface HealthReport {
  status: 'ok' | 'degraded' | 'unavailable';
  checks: Record<string, { status: 'ok' | 'ill'; reason?: string }>;
}

/** The state behind `/health/live` and `/health/ready`. */
export class Health {
  private readonly checks: HealthCheck[] = [];

  add(check: HealthCheck): void {
    this.checks.push(check);
  }

  report(): HealthReport {
    const report: HealthReport = { status: 'ok', checks: {} };
    for (const { name, required, check } of this.checks) {
      const reason = check();
      report.checks[name] = reason === undefined ? { status: 'ok' } : { status: 'ill', reason };
      if (reason === undefined) continue;
      if (required) report.status = 'unavailable';
      else if (report.status === 'ok') report.status = 'degraded';
    }
    return report;
  }
}
