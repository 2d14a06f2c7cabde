import { ApiProperty } from '@nestjs/swagger';

/** The answers' shapes, for the OpenAPI description. Times are ISO 8601 unless said otherwise. */

const labels = { type: 'object', additionalProperties: { type: 'string' } } as const;
const time = { type: String, format: 'date-time' } as const;
const timeOrNull = { type: String, format: 'date-time', nullable: true } as const;
const textOrNull = { type: String, nullable: true } as const;
const numberOrNull = { type: Number, nullable: true } as const;
/** `held`: a silence or quiet hours; `skipped`: over before anybody was to be told; `dead`: given up. */
export const NOTIFICATION_STATUSES = ['waiting', 'sent', 'dead', 'held', 'skipped'] as const;

const flagOrNull = { type: Boolean, nullable: true } as const;

class ErrorBody {
  @ApiProperty({ type: String, description: 'A sentence' }) message!: string;
  @ApiProperty({ type: String, example: 'bad_parameter' }) code!: string;
}

export class ErrorAnswer {
  @ApiProperty({ type: ErrorBody }) error!: ErrorBody;
}

export class Page {
  @ApiProperty({ ...textOrNull, description: 'Give it back as "cursor" for the next page; null on the last' })
  next!: string | null;
}

export class SignalItem {
  @ApiProperty({ type: String, example: 'gpu.memory.ratio' }) id!: string;
  @ApiProperty({ enum: ['infrastructure', 'service', 'conversation'] }) layer!: string;
  @ApiProperty({ type: String }) title!: string;
  @ApiProperty({ type: String, description: 'The title in Chinese' }) titleZh!: string;
  @ApiProperty({ type: String, description: 'UCUM; 1 is a ratio', example: '1' }) unit!: string;
  @ApiProperty({ enum: ['gauge', 'counter', 'histogram'] }) instrument!: string;
  @ApiProperty({ type: String }) description!: string;
  @ApiProperty({ type: [String] }) labels!: string[];
  @ApiProperty({ type: [String], description: 'Metrics of Prometheus behind it' }) metrics!: string[];
  @ApiProperty({ type: String, description: 'The same value in PromQL, by all labels, over five minutes' })
  promql!: string;
}

export class SignalList extends Page {
  @ApiProperty({ type: [SignalItem] }) items!: SignalItem[];
}

class SeriesItem {
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({
    type: 'array',
    items: { type: 'array', items: { type: 'number' } },
    description:
      '[begin of the step in Unix seconds, value, requests or samples it rests on]; steps without data are absent',
  })
  points!: [number, number, number][];
}

export class SeriesAnswer {
  @ApiProperty({ type: String }) signal!: string;
  @ApiProperty({ type: String }) unit!: string;
  @ApiProperty({ ...time, description: 'Moved back to the begin of a step' }) from!: string;
  @ApiProperty(time) to!: string;
  @ApiProperty({ type: Number, description: 'Seconds' }) step!: number;
  @ApiProperty({ type: [SeriesItem] }) series!: SeriesItem[];
}

export class ConditionItem {
  @ApiProperty({ enum: ['above', 'below', 'outside'] }) kind!: string;
  @ApiProperty({ type: Number, required: false, description: "In the rule's unit; of above and below" })
  threshold?: number;
  @ApiProperty({ type: Number, required: false, description: 'Of outside' }) low?: number;
  @ApiProperty({ type: Number, required: false, description: 'Of outside' }) high?: number;
}

/** A silence, where something is told to nobody. */
export class AlertSilence {
  @ApiProperty({ type: String }) id!: string;
  @ApiProperty(time) endsAt!: string;
  @ApiProperty({ type: String }) reason!: string;
}

export class ReceivedAnswer {
  @ApiProperty({ type: Number, description: 'Alerts that are kept' }) stored!: number;
  @ApiProperty({ type: Number, description: 'Alerts of ours that came back, and are left out' }) own!: number;
}

export const SOURCES = ['vigil', 'alertmanager'] as const;

export class AlertItem {
  @ApiProperty({
    ...textOrNull,
    description: 'Of its latest firing, for /api/v1/alerts/:id; null while it never fired',
  })
  id!: string | null;
  @ApiProperty({ enum: SOURCES, description: 'Who decides on it' }) source!: string;
  @ApiProperty({ type: String }) rule!: string;
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({ enum: ['inactive', 'pending', 'firing', 'resolved', 'no_data'] }) state!: string;
  @ApiProperty({ ...time, description: 'When it entered this state' }) since!: string;
  @ApiProperty({ ...timeOrNull, description: 'Since when the condition has held; null while it does not' })
  activeSince!: string | null;
  @ApiProperty(timeOrNull) firedAt!: string | null;
  @ApiProperty({ ...numberOrNull, description: "The latest value, in the signal's unit" }) value!: number | null;
  @ApiProperty({ ...timeOrNull, description: 'When there was a value last' }) seenAt!: string | null;
  @ApiProperty(time) evaluatedAt!: string;
  @ApiProperty(textOrNull) signal!: string | null;
  @ApiProperty(textOrNull) unit!: string | null;
  @ApiProperty({ type: ConditionItem, nullable: true }) condition!: ConditionItem | null;
  @ApiProperty({ enum: ['info', 'warning', 'critical'], nullable: true }) severity!: string | null;
  @ApiProperty(textOrNull) summary!: string | null;
  @ApiProperty(textOrNull) action!: string | null;
  @ApiProperty(textOrNull) runbook!: string | null;
  @ApiProperty({ type: Boolean, description: 'It is about a recording that is played, not about a real GPU' })
  replay!: boolean;
  @ApiProperty({ ...textOrNull, description: 'Where its source shows it; null for ours' }) link!: string | null;
  @ApiProperty({ type: AlertSilence, nullable: true, description: 'Why nobody is told of it now' })
  silence!: AlertSilence | null;
}

export class AlertList extends Page {
  @ApiProperty({ type: [AlertItem] }) items!: AlertItem[];
}

export class GpuEventItem {
  @ApiProperty(time) time!: string;
  @ApiProperty({ type: String }) node!: string;
  @ApiProperty({ ...textOrNull, description: 'Index on its node; null where the event does not say' })
  gpu!: string | null;
  @ApiProperty(textOrNull) uuid!: string | null;
  @ApiProperty({ type: Boolean, description: 'Whether a recording was played' }) replay!: boolean;
  @ApiProperty({ enum: ['xid', 'lost', 'returned'] }) kind!: string;
  @ApiProperty({ ...numberOrNull, description: "NVIDIA's XID code" }) code!: number | null;
  @ApiProperty({ enum: ['critical', 'warning', 'application', 'unknown'] }) class!: string;
  @ApiProperty({ type: String, description: 'A sentence' }) meaning!: string;
  @ApiProperty({ type: String }) source!: string;
  @ApiProperty({ ...textOrNull, description: "The kernel's own line" }) message!: string | null;
}

export class GpuEventList extends Page {
  @ApiProperty({ type: [GpuEventItem] }) items!: GpuEventItem[];
}

class NotificationItem {
  @ApiProperty({ type: String, description: 'The receiver' }) channel!: string;
  @ApiProperty({ enum: NOTIFICATION_STATUSES }) status!: string;
  @ApiProperty({ type: Number }) attempts!: number;
  @ApiProperty(timeOrNull) sentAt!: string | null;
  @ApiProperty(textOrNull) lastError!: string | null;
}

export class TransitionItem {
  @ApiProperty({ type: String }) id!: string;
  @ApiProperty({ type: String }) rule!: string;
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({ type: String }) from!: string;
  @ApiProperty({ type: String }) to!: string;
  @ApiProperty(time) at!: string;
  @ApiProperty(numberOrNull) value!: number | null;
  @ApiProperty({ type: 'object', additionalProperties: true, description: 'The rule as it was then' })
  context!: Record<string, unknown>;
  @ApiProperty({ type: [NotificationItem] }) notifications!: NotificationItem[];
}

export class TransitionList extends Page {
  @ApiProperty({ type: [TransitionItem] }) items!: TransitionItem[];
}

export class RequestItem {
  @ApiProperty({ type: String }) traceId!: string;
  @ApiProperty({ type: String }) spanId!: string;
  @ApiProperty(time) startedAt!: string;
  @ApiProperty(time) endedAt!: string;
  @ApiProperty({ type: String }) node!: string;
  @ApiProperty({ type: String }) engine!: string;
  @ApiProperty({ type: String }) model!: string;
  @ApiProperty({ type: String }) endpoint!: string;
  @ApiProperty({ type: String }) operation!: string;
  @ApiProperty(textOrNull) requestModel!: string | null;
  @ApiProperty(textOrNull) responseModel!: string | null;
  @ApiProperty(textOrNull) responseId!: string | null;
  @ApiProperty(textOrNull) conversationId!: string | null;
  @ApiProperty(textOrNull) service!: string | null;
  @ApiProperty(flagOrNull) stream!: boolean | null;
  @ApiProperty({ enum: ['ok', 'error', 'rejection', 'cancellation'] }) outcome!: string;
  @ApiProperty(numberOrNull) statusCode!: number | null;
  @ApiProperty(textOrNull) errorType!: string | null;
  @ApiProperty(textOrNull) finishReason!: string | null;
  @ApiProperty({ type: Number, description: 'Seconds' }) duration!: number;
  @ApiProperty({ ...numberOrNull, description: 'Seconds' }) responseLatency!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'Seconds' }) timeToFirstToken!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'Seconds' }) timePerOutputToken!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'Seconds' }) queueDuration!: number | null;
  @ApiProperty(numberOrNull) inputTokens!: number | null;
  @ApiProperty(numberOrNull) outputTokens!: number | null;
  @ApiProperty(numberOrNull) reasoningTokens!: number | null;
  @ApiProperty(flagOrNull) unclosedReasoning!: boolean | null;
  @ApiProperty(flagOrNull) emptyAnswer!: boolean | null;
  @ApiProperty(flagOrNull) truncated!: boolean | null;
  @ApiProperty({ ...numberOrNull, description: 'From 0 to 1' }) repetition!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'From 0 to 1' }) reasoningRepetition!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'From 0 to 1' }) reasoningShare!: number | null;
}

export class RequestList extends Page {
  @ApiProperty({ type: [RequestItem] }) items!: RequestItem[];
}
