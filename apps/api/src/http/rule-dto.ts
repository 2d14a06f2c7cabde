import { ApiProperty } from '@nestjs/swagger';
import { AGGREGATES } from '@vigil/signals';
import { NO_DATA, SEVERITIES } from '@vigil/rules';
import { AlertSilence, ConditionItem, Page } from './dto.js';

/** The shapes of rules, for the OpenAPI description. Times are ISO 8601, spans seconds. */

const labels = { type: 'object', additionalProperties: { type: 'string' } } as const;
const timeOrNull = { type: String, format: 'date-time', nullable: true } as const;
const textOrNull = { type: String, nullable: true } as const;
const numberOrNull = { type: Number, nullable: true } as const;

export const RULE_SOURCES = ['file', 'api'] as const;

class LevelItem {
  @ApiProperty({ enum: SEVERITIES }) severity!: string;
  @ApiProperty({ type: ConditionItem }) condition!: ConditionItem;
}

class AlsoItem {
  @ApiProperty({ type: String }) signal!: string;
  @ApiProperty({ enum: AGGREGATES }) aggregate!: string;
  @ApiProperty(numberOrNull) over!: number | null;
  @ApiProperty(labels) where!: Record<string, string>;
  @ApiProperty({ type: ConditionItem }) condition!: ConditionItem;
}

export class RuleItem {
  @ApiProperty({ type: String }) rule!: string;
  @ApiProperty({ enum: RULE_SOURCES, description: 'A file of a folder, or made through this API' }) source!: string;
  @ApiProperty({
    type: String,
    example: 'alerts/gpu-memory-high.yaml',
    description: 'Where it stands: its file, or its path in this API',
  })
  file!: string;
  @ApiProperty({ type: Boolean, description: 'Whether it is evaluated; RULES_ENABLE switches on files that are off' })
  enabled!: boolean;
  @ApiProperty({ type: String }) signal!: string;
  @ApiProperty({ enum: AGGREGATES }) aggregate!: string;
  @ApiProperty({ type: String }) unit!: string;
  @ApiProperty({ type: ConditionItem, description: 'Of the most severe level, where it has several' })
  condition!: ConditionItem;
  @ApiProperty({ type: [LevelItem], description: 'Its thresholds, where it has several, the least severe first' })
  levels!: LevelItem[];
  @ApiProperty({ ...numberOrNull, description: 'Window in seconds; null reads the latest reading' }) over!:
    number | null;
  @ApiProperty({ ...numberOrNull, description: 'The value is divided by what it was so many seconds earlier' })
  comparedWith!: number | null;
  @ApiProperty({ type: [AlsoItem], description: 'Other signals whose conditions must hold as well' }) and!: AlsoItem[];
  @ApiProperty({ type: Number, description: 'How many requests a value must rest on' }) minSamples!: number;
  @ApiProperty({ type: Number, description: 'Seconds that the condition must hold' }) for!: number;
  @ApiProperty({ type: Number, description: 'Seconds that the condition must be gone' }) keepFiring!: number;
  @ApiProperty({ enum: NO_DATA }) noData!: string;
  @ApiProperty({ type: Number, description: 'Seconds that data must be missing' }) noDataFor!: number;
  @ApiProperty({ type: [String] }) by!: string[];
  @ApiProperty(labels) where!: Record<string, string>;
  @ApiProperty({ enum: SEVERITIES }) severity!: string;
  @ApiProperty({ type: String }) action!: string;
  @ApiProperty({ ...textOrNull, description: 'Where this API serves the runbook' }) runbook!: string | null;
  @ApiProperty({ ...textOrNull, description: 'Who made it through this API' }) author!: string | null;
  @ApiProperty({ ...timeOrNull, description: 'When it was changed through this API' }) updatedAt!: string | null;
  @ApiProperty({ type: AlertSilence, nullable: true, description: 'The silence that mutes the whole rule now' })
  silence!: AlertSilence | null;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'number' }, description: 'Alerts by state' })
  states!: Record<string, number>;
  @ApiProperty(timeOrNull) lastEvaluation!: string | null;
  @ApiProperty({
    ...textOrNull,
    description: 'Why what stands there now is not in force, or what went wrong in the last evaluation by this process',
  })
  error!: string | null;
}

export class RefusedItem {
  @ApiProperty({ type: String, description: 'A file, a folder, or a path in this API' }) file!: string;
  @ApiProperty({ type: String, description: 'One line a mistake' }) error!: string;
}

export class RuleList extends Page {
  @ApiProperty({ type: [RuleItem] }) items!: RuleItem[];
  @ApiProperty({ type: [RefusedItem], description: 'What can not be read, and for which nothing is in force' })
  refused!: RefusedItem[];
}

export class RuleDetail extends RuleItem {
  @ApiProperty({ type: String, description: 'The rule as it was written, in YAML' }) definition!: string;
}

class PreviewTransition {
  @ApiProperty({ type: String, format: 'date-time' }) at!: string;
  @ApiProperty({ type: String }) from!: string;
  @ApiProperty({ type: String }) to!: string;
  @ApiProperty({ ...numberOrNull, description: "In the rule's unit" }) value!: number | null;
  @ApiProperty({ type: Boolean, description: 'Whether people would have been told' }) told!: boolean;
  @ApiProperty({ type: String, description: 'What they would have read' }) summary!: string;
}

class PreviewAlert {
  @ApiProperty(labels) labels!: Record<string, string>;
  @ApiProperty({ type: Number, description: 'How often it would have fired' }) firings!: number;
  @ApiProperty({ type: Number, description: 'Seconds that it would have fired, all in all' }) firingSeconds!: number;
  @ApiProperty({ ...numberOrNull, description: 'Its least value in the range' }) min!: number | null;
  @ApiProperty({ ...numberOrNull, description: 'Its greatest value in the range' }) max!: number | null;
  @ApiProperty({ type: [PreviewTransition], description: 'The first hundred' }) transitions!: PreviewTransition[];
}

export class PreviewAnswer {
  @ApiProperty({ type: String }) rule!: string;
  @ApiProperty({ type: String }) unit!: string;
  @ApiProperty({ type: String, format: 'date-time' }) from!: string;
  @ApiProperty({ type: String, format: 'date-time', description: 'How far it was looked' }) to!: string;
  @ApiProperty({ type: Number, description: 'Seconds between two looks' }) step!: number;
  @ApiProperty({ ...textOrNull, description: 'Why it was not looked further, where the range was too much' })
  cutShort!: string | null;
  @ApiProperty({ type: Number, description: 'How often it would have fired, all in all' }) firings!: number;
  @ApiProperty({ type: [PreviewAlert], description: 'What fired most often first; the first hundred' })
  alerts!: PreviewAlert[];
}
