import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One event of a GPU; partitioned by day. */
@Entity({ name: 'gpu_event', synchronize: false })
export class GpuEventEntity {
  @PrimaryColumn({ type: 'timestamptz' }) time!: Date;
  @PrimaryColumn({ type: 'text' }) node!: string;
  /** Made by PostgreSQL from kind, code, GPU and replay, so that an event that is told twice is stored once. */
  @PrimaryColumn({ type: 'text', insert: false, update: false }) key!: string;
  @Column({ type: 'text', nullable: true }) gpu!: string | null;
  @Column({ type: 'text', nullable: true }) uuid!: string | null;
  @Column({ type: 'boolean' }) replay!: boolean;
  @Column({ type: 'text' }) kind!: string;
  @Column({ type: 'int', nullable: true }) code!: number | null;
  @Column({ type: 'text' }) class!: string;
  @Column({ type: 'text' }) meaning!: string;
  @Column({ type: 'text' }) source!: string;
  @Column({ type: 'text', nullable: true }) message!: string | null;
}
