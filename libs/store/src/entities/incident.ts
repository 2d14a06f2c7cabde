import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

/** What was going on when an alert fired; one for each firing. */
@Entity({ name: 'alert_incident', synchronize: false })
export class AlertIncidentEntity {
  /** The transition to `firing`. */
  @PrimaryColumn({ name: 'transition_id', type: 'bigint' }) transitionId!: string;
  @Column({ type: 'text' }) scope!: string;
  @Column({ type: 'text' }) rule!: string;
  @Column({ type: 'text' }) fingerprint!: string;
  @Column({ name: 'fired_at', type: 'timestamptz' }) firedAt!: Date;
  @Column({ name: 'resolved_at', type: 'timestamptz', nullable: true }) resolvedAt!: Date | null;
  @Column({ name: 'updated_at', type: 'timestamptz' }) updatedAt!: Date;
  /** Three sentences, as messages show them. */
  @Column({ type: 'jsonb' }) lines!: string[];
  @Column({ type: 'jsonb' }) detail!: Record<string, unknown>;
}

/** An alert that somebody else decides on, as an Alertmanager's webhook told it. */
@Entity({ name: 'alert_received', synchronize: false })
export class ReceivedAlertEntity {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id!: string;
  @Column({ type: 'text' }) scope!: string;
  /** Who told it. */
  @Column({ type: 'text' }) source!: string;
  @Column({ type: 'text' }) fingerprint!: string;
  @Column({ type: 'text' }) alertname!: string;
  @Column({ type: 'text', nullable: true }) severity!: string | null;
  @Column({ type: 'jsonb' }) labels!: Record<string, string>;
  @Column({ type: 'jsonb' }) annotations!: Record<string, string>;
  @Column({ type: 'text' }) status!: 'firing' | 'resolved';
  @Column({ name: 'starts_at', type: 'timestamptz' }) startsAt!: Date;
  @Column({ name: 'ends_at', type: 'timestamptz', nullable: true }) endsAt!: Date | null;
  @Column({ name: 'generator_url', type: 'text', nullable: true }) generatorUrl!: string | null;
  @Column({ name: 'received_at', type: 'timestamptz' }) receivedAt!: Date;
  @Column({ name: 'updated_at', type: 'timestamptz' }) updatedAt!: Date;
}
