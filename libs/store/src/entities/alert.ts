import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

/** `no_data` is a state of its own, never a quiet "fine". `resolved` lasts until the condition holds again. */
export type AlertState = 'inactive' | 'pending' | 'firing' | 'resolved' | 'no_data';

/** Where one rule stands for one set of labels. `scope` keeps the rules of evaluators that share a database apart. */
@Entity({ name: 'alert', synchronize: false })
export class AlertEntity {
  @PrimaryColumn({ type: 'text' }) scope!: string;
  @PrimaryColumn({ type: 'text' }) rule!: string;
  /** The label set in a canonical form. */
  @PrimaryColumn({ type: 'text' }) fingerprint!: string;
  @Column({ type: 'jsonb' }) labels!: Record<string, string>;
  @Column({ type: 'text' }) state!: AlertState;
  /** When it entered this state. */
  @Column({ type: 'timestamptz' }) since!: Date;
  /** Since when the condition has held without a break; null while it does not. */
  @Column({ name: 'active_since', type: 'timestamptz', nullable: true }) activeSince!: Date | null;
  /** Since when the condition of a firing alert has been gone; null while it holds. */
  @Column({ name: 'clear_since', type: 'timestamptz', nullable: true }) clearSince!: Date | null;
  /** Since when there have been no data; null while there are. */
  @Column({ name: 'absent_since', type: 'timestamptz', nullable: true }) absentSince!: Date | null;
  /** When it fired within the last hour, ISO 8601. */
  @Column({ type: 'jsonb' }) firings!: string[];
  /** When it last fired; null while it never did. */
  @Column({ name: 'fired_at', type: 'timestamptz', nullable: true }) firedAt!: Date | null;
  /** The latest value seen, in the signal's unit. */
  @Column({ type: 'float8', nullable: true }) value!: number | null;
  /** The beat that last saw a value. */
  @Column({ name: 'seen_at', type: 'timestamptz', nullable: true }) seenAt!: Date | null;
  @Column({ name: 'evaluated_at', type: 'timestamptz' }) evaluatedAt!: Date;
}

/** One change of state: the history, and what notifications are about. */
@Entity({ name: 'alert_transition', synchronize: false })
export class AlertTransitionEntity {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id!: string;
  @Column({ type: 'text' }) scope!: string;
  @Column({ type: 'text' }) rule!: string;
  @Column({ type: 'text' }) fingerprint!: string;
  @Column({ type: 'jsonb' }) labels!: Record<string, string>;
  @Column({ name: 'from_state', type: 'text' }) from!: AlertState;
  @Column({ name: 'to_state', type: 'text' }) to!: AlertState;
  @Column({ type: 'timestamptz' }) at!: Date;
  @Column({ type: 'float8', nullable: true }) value!: number | null;
  /** The rule as it was: threshold, severity, rendered summary, action. */
  @Column({ type: 'jsonb' }) context!: Record<string, unknown>;
}
