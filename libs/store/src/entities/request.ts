import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One request; partitioned by the day on which it ended. */
@Entity({ name: 'request', synchronize: false })
export class RequestEntity {
  @PrimaryColumn({ name: 'trace_id', type: 'text' }) traceId!: string;
  @PrimaryColumn({ name: 'span_id', type: 'text' }) spanId!: string;
  @Column({ name: 'started_at', type: 'timestamptz' }) startedAt!: Date;
  @PrimaryColumn({ name: 'ended_at', type: 'timestamptz' }) endedAt!: Date;
  @Column({ type: 'text' }) node!: string;
  @Column({ type: 'text' }) engine!: string;
  @Column({ type: 'text' }) model!: string;
  @Column({ type: 'text' }) endpoint!: string;
  @Column({ type: 'text' }) operation!: string;
  @Column({ name: 'request_model', type: 'text', nullable: true }) requestModel!: string | null;
  @Column({ name: 'response_model', type: 'text', nullable: true }) responseModel!: string | null;
  @Column({ name: 'response_id', type: 'text', nullable: true }) responseId!: string | null;
  @Column({ name: 'conversation_id', type: 'text', nullable: true }) conversationId!: string | null;
  @Column({ type: 'text', nullable: true }) service!: string | null;
  @Column({ type: 'boolean', nullable: true }) stream!: boolean | null;
  @Column({ type: 'text' }) outcome!: string;
  @Column({ name: 'status_code', type: 'int', nullable: true }) statusCode!: number | null;
  @Column({ name: 'error_type', type: 'text', nullable: true }) errorType!: string | null;
  @Column({ name: 'finish_reason', type: 'text', nullable: true }) finishReason!: string | null;
  @Column({ type: 'float8' }) duration!: number;
  @Column({ name: 'response_latency', type: 'float8', nullable: true }) responseLatency!: number | null;
  @Column({ name: 'time_to_first_token', type: 'float8', nullable: true }) timeToFirstToken!: number | null;
  @Column({ name: 'time_per_output_token', type: 'float8', nullable: true }) timePerOutputToken!: number | null;
  @Column({ name: 'queue_duration', type: 'float8', nullable: true }) queueDuration!: number | null;
  @Column({ name: 'input_tokens', type: 'int', nullable: true }) inputTokens!: number | null;
  @Column({ name: 'output_tokens', type: 'int', nullable: true }) outputTokens!: number | null;
  @Column({ name: 'reasoning_tokens', type: 'int', nullable: true }) reasoningTokens!: number | null;
  @Column({ name: 'unclosed_reasoning', type: 'boolean', nullable: true }) unclosedReasoning!: boolean | null;
  @Column({ name: 'empty_answer', type: 'boolean', nullable: true }) emptyAnswer!: boolean | null;
  @Column({ type: 'boolean', nullable: true }) truncated!: boolean | null;
  @Column({ type: 'float8', nullable: true }) repetition!: number | null;
  @Column({ name: 'reasoning_repetition', type: 'float8', nullable: true }) reasoningRepetition!: number | null;
  @Column({ name: 'reasoning_share', type: 'float8', nullable: true }) reasoningShare!: number | null;
}
