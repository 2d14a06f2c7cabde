import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

export type NotificationStatus = 'waiting' | 'sent' | 'dead' | 'held' | 'skipped';

/**
 * A message to be delivered at least once: the outbox. What is new is told once for a transition and channel (a unique
 * index), what lasts is told again as `repeat`.
 */
@Entity({ name: 'notification', synchronize: false })
export class NotificationEntity {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id!: string;
  @Column({ type: 'text' }) scope!: string;
  /** The latest that it is about; null where it repeats. */
  @Column({ name: 'transition_id', type: 'bigint', nullable: true }) transitionId!: string | null;
  /** All that it is about. */
  @Column({ type: 'bigint', array: true }) transitions!: string[];
  @Column({ type: 'text' }) channel!: string;
  @Column({ type: 'text' }) kind!: 'change' | 'repeat';
  /** Messages of one group and channel are delivered in order. */
  @Column({ name: 'group_key', type: 'text', nullable: true }) groupKey!: string | null;
  /** The same from a group's first firing to its end. */
  @Column({ type: 'text', nullable: true }) episode!: string | null;
  /** Sent along, so that a receiver can tell a repeated delivery. */
  @Column({ name: 'idempotency_key', type: 'text' }) idempotencyKey!: string;
  /** In the channel's form, without its secrets. */
  @Column({ type: 'jsonb' }) payload!: unknown;
  @Column({ type: 'text' }) status!: NotificationStatus;
  @Column({ type: 'int' }) attempts!: number;
  @Column({ name: 'created_at', type: 'timestamptz' }) createdAt!: Date;
  /** When it was put into the outbox, or again by hand: it is given up a day later. */
  @Column({ name: 'queued_at', type: 'timestamptz' }) queuedAt!: Date;
  @Column({ name: 'next_attempt_at', type: 'timestamptz' }) nextAttemptAt!: Date;
  @Column({ name: 'sent_at', type: 'timestamptz', nullable: true }) sentAt!: Date | null;
  /** What the receiver calls it, for those that follow. */
  @Column({ type: 'jsonb', nullable: true }) reference!: unknown;
  /** What went wrong last, or why it was not sent; never holds the channel's address. */
  @Column({ name: 'last_error', type: 'text', nullable: true }) lastError!: string | null;
}

/** Alerts that one receiver is told of together, while one of them lasts. */
@Entity({ name: 'notification_group', synchronize: false })
export class NotificationGroupEntity {
  @PrimaryColumn({ type: 'text' }) scope!: string;
  @PrimaryColumn({ type: 'text' }) channel!: string;
  @PrimaryColumn({ name: 'group_key', type: 'text' }) groupKey!: string;
  @Column({ type: 'jsonb' }) labels!: Record<string, string>;
  @Column({ type: 'text' }) episode!: string;
  @Column({ name: 'told_at', type: 'timestamptz', nullable: true }) toldAt!: Date | null;
  /** When what is new shall be told. */
  @Column({ name: 'flush_at', type: 'timestamptz', nullable: true }) flushAt!: Date | null;
  /** When it has to be looked at next. */
  @Column({ name: 'next_at', type: 'timestamptz', nullable: true }) nextAt!: Date | null;
  @Column({ name: 'updated_at', type: 'timestamptz' }) updatedAt!: Date;
}

/** An alert of such a group: the latest message about it, and what was told. */
@Entity({ name: 'notification_item', synchronize: false })
export class NotificationItemEntity {
  @PrimaryColumn({ type: 'text' }) scope!: string;
  @PrimaryColumn({ type: 'text' }) channel!: string;
  @Column({ name: 'group_key', type: 'text' }) groupKey!: string;
  @PrimaryColumn({ type: 'text' }) rule!: string;
  @PrimaryColumn({ type: 'text' }) fingerprint!: string;
  @Column({ type: 'jsonb' }) message!: unknown;
  /** The status that was told last. */
  @Column({ type: 'text', nullable: true }) told!: string | null;
  /** Transitions that were not told yet. */
  @Column({ type: 'bigint', array: true }) pending!: string[];
}

/** Alerts that nobody is told of for a while. Ended ones stay. */
@Entity({ name: 'silence', synchronize: false })
export class SilenceEntity {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id!: string;
  @Column({ type: 'text' }) scope!: string;
  /** Patterns by label. */
  @Column({ type: 'jsonb' }) match!: Record<string, string[]>;
  @Column({ type: 'jsonb' }) unless!: Record<string, string[]>;
  @Column({ name: 'starts_at', type: 'timestamptz' }) startsAt!: Date;
  @Column({ name: 'ends_at', type: 'timestamptz' }) endsAt!: Date;
  @Column({ type: 'text' }) reason!: string;
  @Column({ name: 'created_by', type: 'text', nullable: true }) createdBy!: string | null;
  @Column({ name: 'created_at', type: 'timestamptz' }) createdAt!: Date;
}
