import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { NOTIFICATION_STATUSES } from './dto.js';

/** The shapes of silences and notifications, for the OpenAPI description. */

export const SILENCE_STATES = ['pending', 'active', 'expired'] as const;

const time = { type: String, format: 'date-time' } as const;
const timeOrNull = { ...time, nullable: true } as const;
const textOrNull = { type: String, nullable: true } as const;
const patterns = {
  type: 'object',
  additionalProperties: { type: 'array', items: { type: 'string' } },
  example: { rule: ['GpuMemory*'], node: ['gpu-1', 'gpu-2'] },
} as const;

export class NewSilence {
  @ApiProperty({
    type: 'object',
    additionalProperties: { oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
    description: 'Labels with a pattern or several; * stands for anything; rule and severity count as labels',
    example: { node: 'gpu-1' },
  })
  match!: Record<string, string | string[]>;
  @ApiPropertyOptional({ ...patterns, description: 'Alerts that are told all the same' }) unless?: object;
  @ApiPropertyOptional({ ...time, description: 'Now unless given' }) startsAt?: string;
  @ApiPropertyOptional({ ...time, description: 'This or duration' }) endsAt?: string;
  @ApiPropertyOptional({ type: String, example: '2h' }) duration?: string;
  @ApiProperty({ type: String, example: 'Driver update' }) reason!: string;
  @ApiPropertyOptional({ type: String }) createdBy?: string;
}

export class SilenceItem {
  @ApiProperty({ type: String }) id!: string;
  @ApiProperty({ enum: SILENCE_STATES }) state!: string;
  @ApiProperty(patterns) match!: Record<string, string[]>;
  @ApiProperty(patterns) unless!: Record<string, string[]>;
  @ApiProperty(time) startsAt!: string;
  @ApiProperty(time) endsAt!: string;
  @ApiProperty({ type: String }) reason!: string;
  @ApiProperty(textOrNull) createdBy!: string | null;
  @ApiProperty(time) createdAt!: string;
}

class Page {
  @ApiProperty({ ...textOrNull, description: 'Give it back as "cursor" for the next page; null on the last' })
  next!: string | null;
}

export class SilenceList extends Page {
  @ApiProperty({ type: [SilenceItem] }) items!: SilenceItem[];
}

class ToldAlert {
  @ApiProperty({ type: String, description: 'Id of the transition in /api/v1/alerts/history' }) transition!: string;
  @ApiProperty({ type: String }) rule!: string;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } }) labels!: Record<string, string>;
  @ApiProperty({ type: String }) to!: string;
  @ApiProperty(time) at!: string;
}

export class OutboxItem {
  @ApiProperty({ type: String }) id!: string;
  @ApiProperty({ type: String, description: 'The receiver' }) channel!: string;
  @ApiProperty({ enum: ['change', 'repeat'] }) kind!: string;
  @ApiProperty({ enum: NOTIFICATION_STATUSES }) status!: string;
  @ApiProperty({ type: Number }) attempts!: number;
  @ApiProperty(time) createdAt!: string;
  @ApiProperty({ ...timeOrNull, description: 'Null unless it waits' }) nextAttemptAt!: string | null;
  @ApiProperty(timeOrNull) sentAt!: string | null;
  @ApiProperty({ ...textOrNull, description: 'What went wrong last, or why it was not sent' }) lastError!:
    string | null;
  @ApiProperty({ type: [ToldAlert], description: 'What is new in it; nothing where it repeats' }) alerts!: ToldAlert[];
}

export class OutboxList extends Page {
  @ApiProperty({ type: [OutboxItem] }) items!: OutboxItem[];
}
