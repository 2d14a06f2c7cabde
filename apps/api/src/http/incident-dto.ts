import { ApiProperty } from '@nestjs/swagger';
import type { Incident } from '../incident/types.js';
import { TransitionItem } from './dto.js';

/** The shapes of an alert in full. Times are ISO 8601, lengths seconds, values in the signal's unit. */

const labels = { type: 'object', additionalProperties: { type: 'string' } } as const;
const time = { type: String, format: 'date-time' } as const;
const timeOrNull = { ...time, nullable: true } as const;
const textOrNull = { type: String, nullable: true } as const;
const numberOrNull = { type: Number, nullable: true } as const;

class IncidentWindowItem {
  @ApiProperty(time) from!: string;
  @ApiProperty({ ...time, description: 'What was before says what is normal' }) baselineUntil!: string;
  @ApiProperty({ ...time, description: 'Since when the condition held' }) activeSince!: string;
  @ApiProperty(time) to!: string;
  @ApiProperty({ type: Number, description: 'Seconds' }) step!: number;
}

class MoverItem {
  @ApiProperty({ type: String, example: 'gpu.memory.ratio' }) signal!: string;
  @ApiProperty({ type: String }) title!: string;
  @ApiProperty({ type: String }) unit!: string;
  @ApiProperty({ enum: ['infrastructure', 'service', 'conversation'] }) layer!: string;
  @ApiProperty({ type: String, description: 'Signals that move together for one reason share it' }) family!: string;
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({ ...time, description: 'When it left what was normal' }) onset!: string;
  @ApiProperty({ enum: ['rose', 'fell'] }) direction!: string;
  @ApiProperty({ type: Number }) before!: number;
  @ApiProperty({ type: Number, description: 'The value farthest from the one before' }) after!: number;
  @ApiProperty({ type: Number, description: "Seconds before the alert's own signal moved; negative where after" })
  lead!: number;
  @ApiProperty({ type: Boolean, description: 'The signal that the alert is about' }) isOwn!: boolean;
  @ApiProperty({
    type: 'array',
    items: { type: 'array', items: { type: 'number' } },
    description: '[begin of the step in Unix seconds, value]',
  })
  points!: [number, number][];
}

class StandingItem {
  @ApiProperty({ type: String }) signal!: string;
  @ApiProperty({ type: String }) title!: string;
  @ApiProperty({ type: String }) unit!: string;
  @ApiProperty({ enum: ['infrastructure', 'service', 'conversation'] }) layer!: string;
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({ ...numberOrNull, description: 'Median of what was normal' }) before!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'Median while the condition held' }) during!: number | null;
  @ApiProperty({ type: Boolean }) moved!: boolean;
}

class RequestExampleItem {
  @ApiProperty({ type: String }) traceId!: string;
  @ApiProperty({ type: String }) spanId!: string;
  @ApiProperty(textOrNull) responseId!: string | null;
  @ApiProperty(textOrNull) conversationId!: string | null;
  @ApiProperty({ type: String }) model!: string;
  @ApiProperty({ type: String }) node!: string;
  @ApiProperty(time) endedAt!: string;
  @ApiProperty({ enum: ['ok', 'error', 'rejection', 'cancellation'] }) outcome!: string;
  @ApiProperty(textOrNull) errorType!: string | null;
  @ApiProperty(numberOrNull) statusCode!: number | null;
  @ApiProperty({ type: Number, description: 'Seconds' }) duration!: number;
  @ApiProperty({ ...numberOrNull, description: 'Seconds' }) responseLatency!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'Seconds' }) queueDuration!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'Seconds' }) timePerOutputToken!: number | null;
  @ApiProperty(numberOrNull) outputTokens!: number | null;
  @ApiProperty({ ...numberOrNull, description: "The greater of the answer's and the reasoning's, from 0 to 1" })
  repetition!: number | null;
}

class ErrorCount {
  @ApiProperty({ type: String }) type!: string;
  @ApiProperty({ type: Number }) count!: number;
}

class IncidentRequests {
  @ApiProperty(time) from!: string;
  @ApiProperty(time) to!: string;
  @ApiProperty({ type: Number }) total!: number;
  @ApiProperty({ type: Number }) failed!: number;
  @ApiProperty({ type: Number, description: 'Whose answer or reasoning goes round in circles' }) looping!: number;
  @ApiProperty({ type: [ErrorCount] }) errors!: ErrorCount[];
  @ApiProperty({ type: [RequestExampleItem] }) slowest!: RequestExampleItem[];
  @ApiProperty({ type: [RequestExampleItem], description: 'The latest that failed' }) failures!: RequestExampleItem[];
  @ApiProperty({ type: [RequestExampleItem] }) loops!: RequestExampleItem[];
  @ApiProperty({ type: Boolean, description: 'Whether there were more than were looked at' }) isCut!: boolean;
}

class IncidentGpuEvent {
  @ApiProperty(time) time!: string;
  @ApiProperty({ type: String }) node!: string;
  @ApiProperty(textOrNull) gpu!: string | null;
  @ApiProperty({ enum: ['xid', 'lost', 'returned'] }) kind!: string;
  @ApiProperty(numberOrNull) code!: number | null;
  @ApiProperty({ type: String }) meaning!: string;
  @ApiProperty({ type: Boolean }) replay!: boolean;
}

class EndingSignal {
  @ApiProperty({ type: String }) signal!: string;
  @ApiProperty({ type: String }) title!: string;
  @ApiProperty({ type: String }) unit!: string;
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({ type: Number }) value!: number;
  @ApiProperty({ type: Boolean }) isBack!: boolean;
}

class EndingItem {
  @ApiProperty(time) at!: string;
  @ApiProperty({ type: [EndingSignal] }) signals!: EndingSignal[];
}

/** Why an alert fired. */
export class IncidentItem {
  @ApiProperty({ enum: ['complete', 'failed'] }) status!: string;
  @ApiProperty({ ...textOrNull, description: 'Why it could not be looked into' }) reason!: string | null;
  @ApiProperty({ type: [String], description: 'Three sentences, as messages show them' }) lines!: string[];
  @ApiProperty({ type: IncidentWindowItem }) window!: IncidentWindowItem;
  @ApiProperty({ type: Boolean, description: 'Whether enough was known of the time before to say what moved' })
  isKnown!: boolean;
  @ApiProperty({ type: [MoverItem], description: 'Signals that left what was normal, the first one first' })
  movers!: MoverItem[];
  @ApiProperty({ type: [StandingItem], description: 'GPUs, queue, cache and answers, before and meanwhile' })
  signals!: StandingItem[];
  @ApiProperty({ type: IncidentRequests }) requests!: IncidentRequests;
  @ApiProperty({ type: [IncidentGpuEvent] }) events!: IncidentGpuEvent[];
  @ApiProperty({ type: EndingItem, nullable: true, description: 'How it stood when the alert ended' })
  ending!: Incident['ending'];
}

export class AlertDetail {
  @ApiProperty({ type: String }) id!: string;
  @ApiProperty({ enum: ['vigil'] }) source!: 'vigil';
  @ApiProperty({ type: String }) rule!: string;
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({ enum: ['firing', 'no_data', 'resolved'] }) state!: string;
  @ApiProperty({ ...timeOrNull, description: 'Since when the condition held' }) activeSince!: string | null;
  @ApiProperty(time) firedAt!: string;
  @ApiProperty(timeOrNull) resolvedAt!: string | null;
  @ApiProperty({ ...numberOrNull, description: 'When it fired' }) value!: number | null;
  @ApiProperty({ type: 'object', additionalProperties: true, description: 'The rule as it was when it fired' })
  context!: Record<string, unknown>;
  @ApiProperty({ ...textOrNull, description: 'Where this API serves the runbook' }) runbook!: string | null;
  @ApiProperty({ type: IncidentItem, nullable: true, description: 'Null for the moment in which it is looked into' })
  incident!: IncidentItem | null;
  @ApiProperty({ type: [TransitionItem], description: 'From this firing to its end, with the messages about it' })
  history!: TransitionItem[];
}
