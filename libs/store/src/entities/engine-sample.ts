import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What one engine said of itself and one of its models, at one reading; partitioned by day. */
@Entity({ name: 'engine_sample', synchronize: false })
export class EngineSampleEntity {
  @PrimaryColumn({ type: 'timestamptz' }) time!: Date;
  @PrimaryColumn({ type: 'text' }) node!: string;
  @PrimaryColumn({ type: 'text' }) server!: string;
  @PrimaryColumn({ type: 'text' }) model!: string;
  @Column({ type: 'text' }) kind!: string;
  @Column({ type: 'float8', nullable: true }) running!: number | null;
  @Column({ type: 'float8', nullable: true }) waiting!: number | null;
  @Column({ name: 'kv_cache_ratio', type: 'float8', nullable: true }) kvCacheRatio!: number | null;
  @Column({ name: 'preemption_rate', type: 'float8', nullable: true }) preemptionRate!: number | null;
}
