import type { Spool } from '@vigil/spool';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { StoreLink } from './store-link.js';

/** Why rows that were accepted or read are given up. */
export type DropReason =
  /** PostgreSQL refuses the row itself. */
  | 'refused'
  /** An entry of the spool that can't be read any more. */
  | 'unreadable'
  /** A reading that gave way to a later one. */
  | 'displaced'
  /** A reading that neither PostgreSQL nor the disk took; nobody sends it again. */
  | 'unsaved';

const TABLES = ['request', 'gpu_sample', 'gpu_event', 'node_sample', 'engine_sample'] as const;
const REASONS: readonly DropReason[] = ['refused', 'unreadable', 'displaced', 'unsaved'];

/** What the writers say of themselves at `/metrics`. */
export class WriteMetrics {
  private readonly written: Counter;
  private readonly dropped: Counter;
  private readonly duration: Histogram;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    this.written = new Counter({
      name: 'vigil_rows_written_total',
      help: 'Rows stored in PostgreSQL by table; a row that was there already is not counted.',
      labelNames: ['table'],
      registers,
    });
    this.dropped = new Counter({
      name: 'vigil_rows_dropped_total',
      help: 'Rows given up: refused (by PostgreSQL), displaced (readings by later ones while PostgreSQL was away), unsaved (readings that the disk did not take either), and unreadable; displaced and unreadable count entries of the spool.',
      labelNames: ['table', 'reason'],
      registers,
    });
    this.duration = new Histogram({
      name: 'vigil_write_duration_seconds',
      help: 'What one bulk write to PostgreSQL took, failed ones too.',
      labelNames: ['table'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 35],
      registers,
    });
    for (const table of TABLES) {
      this.written.inc({ table }, 0);
      for (const reason of REASONS) this.dropped.inc({ table, reason }, 0);
    }
  }

  rowsWritten(table: string, rows: number): void {
    this.written.inc({ table }, rows);
  }

  rowsDropped(table: string, reason: DropReason, rows: number): void {
    this.dropped.inc({ table, reason }, rows);
  }

  wrote(table: string, seconds: number): void {
    this.duration.observe({ table }, seconds);
  }

  /** States that are read when they are asked for. */
  watch(link: StoreLink, spools: Readonly<Record<string, Spool>>): void {
    const registers = [this.registry];
    const up: Gauge = new Gauge({
      name: 'vigil_store_up',
      help: '1 while PostgreSQL takes rows, 0 while it is away and they wait on disk.',
      registers,
      collect: () => {
        up.set(link.up ? 1 : 0);
      },
    });
    const gauge = (name: string, help: string, of: (spool: Spool) => number): void => {
      const metric: Gauge = new Gauge({
        name,
        help,
        labelNames: ['table'],
        registers,
        collect: () => {
          for (const [table, spool] of Object.entries(spools)) metric.set({ table }, of(spool));
        },
      });
    };
    gauge('vigil_spool_bytes', 'Bytes on disk that wait for PostgreSQL.', (spool) => spool.bytes);
    gauge('vigil_spool_entries', 'Files on disk that wait for PostgreSQL.', (spool) => spool.length);
  }
}
