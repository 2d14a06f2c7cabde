import 'reflect-metadata';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { AlertEntity, AlertTransitionEntity } from './entities/alert.js';
import { AlertIncidentEntity, ReceivedAlertEntity } from './entities/incident.js';
import { EngineSampleEntity } from './entities/engine-sample.js';
import { GpuEventEntity } from './entities/gpu-event.js';
import {
  NotificationEntity,
  NotificationGroupEntity,
  NotificationItemEntity,
  SilenceEntity,
} from './entities/notification.js';
import { GpuSampleEntity } from './entities/gpu-sample.js';
import { NodeSampleEntity } from './entities/node-sample.js';
import { RequestEntity } from './entities/request.js';
import { Initial1700000000000 } from './migrations/1700000000000-initial.js';
import { Notifications1700000002000 } from './migrations/1700000002000-notifications.js';
import { Infrastructure1700000100000 } from './migrations/1700000100000-infrastructure.js';
import { Beats1700000400000 } from './migrations/1700000400000-beats.js';
import { Engines1700000600000 } from './migrations/1700000600000-engines.js';
import { Rules1700000500000 } from './migrations/1700000500000-rules.js';
import { TeamRuleEntity } from './entities/team-rule.js';
import { Incidents1700000300000 } from './migrations/1700000300000-incidents.js';

export interface StoreOptions {
  /** A PostgreSQL connection URL. */
  url: string;
  /** Shown in `pg_stat_activity`. */
  applicationName: string;
  /** Connections at the most. */
  poolSize?: number;
  /** How long PostgreSQL may work at one statement; the answer is awaited a little longer. 30 s unless given. */
  statementSeconds?: number;
  /** Errors of idle connections, which would otherwise end the process. */
  onPoolError?: (error: Error) => void;
}

/** Ends a connection without a word to the other side, which may not listen. */
export function cut(client: pg.Client): void {
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
  connection.stream.destroy();
}

/**
 * A connection whose query got no answer in time is dead (a network that swallows packets says nothing): it is cut, so that
 * the pool does not hand it out again.
 */
class MortalClient extends pg.Client {
  override query(...args: unknown[]): never {
    const result: unknown = (super.query as (...given: unknown[]) => unknown)(...args);
    if (result instanceof Promise)
      result.catch((error: unknown) => {
        if (error instanceof Error && error.message.startsWith('Query read timeout')) cut(this);
      });
    return result as never;
  }
}

/** A data source that is not connected yet; `connect` does that and brings the schema up to date. */
export function createStore(options: StoreOptions): DataSource {
  const statementMs = (options.statementSeconds ?? 30) * 1000;
  return new DataSource({
    type: 'postgres',
    url: options.url,
    applicationName: options.applicationName,
    poolSize: options.poolSize ?? 4,
    connectTimeoutMS: 5_000,
    poolErrorHandler: options.onPoolError ?? (() => undefined),
    entities: [
      RequestEntity,
      GpuSampleEntity,
      GpuEventEntity,
      NodeSampleEntity,
      EngineSampleEntity,
      AlertEntity,
      TeamRuleEntity,
      AlertTransitionEntity,
      AlertIncidentEntity,
      ReceivedAlertEntity,
      NotificationEntity,
      NotificationGroupEntity,
      NotificationItemEntity,
      SilenceEntity,
    ],
    migrations: [
      Initial1700000000000,
      Notifications1700000002000,
      Infrastructure1700000100000,
      Incidents1700000300000,
      Beats1700000400000,
      Rules1700000500000,
      Engines1700000600000,
    ],
    migrationsTableName: 'vigil_migration',
    synchronize: false,
    // A query that hangs (a dead network, a lock) must end, or a beat would wait for ever.
    extra: {
      Client: MortalClient,
      statement_timeout: statementMs,
      query_timeout: statementMs + 2_000,
      keepAlive: true,
      idleTimeoutMillis: 30_000,
    },
  });
}

/** Whether a query took longer than its connection allows. */
export const isStatementTimeout = (error: unknown): boolean => (error as { code?: unknown }).code === '57014';

/**
 * Whether an error says that the database is away or busy, so that the same work may succeed later. Everything else is
 * a fault of the data or of the query, and would fail again.
 */
export function isTransient(error: unknown): boolean {
  const code = String((error as { code?: unknown }).code ?? '');
  if (/^(08|40|53|55|57|58)/.test(code)) return true;
  if (/^[0-9A-Z]{5}$/.test(code)) return code === '25006' || code === '28P01' || code === '3D000' || code === 'XX000';
  return true;
}
