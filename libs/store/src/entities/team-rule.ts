import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An alert rule that was made through the API. */
@Entity({ name: 'team_rule', synchronize: false })
export class TeamRuleEntity {
  @PrimaryColumn({ type: 'text' }) scope!: string;
  /** The alert's name. */
  @PrimaryColumn({ type: 'text' }) name!: string;
  /** YAML, as in a file of rules. */
  @Column({ type: 'text' }) source!: string;
  @Column({ type: 'text', nullable: true }) author!: string | null;
  @Column({ name: 'created_at', type: 'timestamptz' }) createdAt!: Date;
  @Column({ name: 'updated_at', type: 'timestamptz' }) updatedAt!: Date;
}
