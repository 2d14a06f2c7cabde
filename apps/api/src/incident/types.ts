import type { Layer, Unit } from '@vigil/signals';

/** Signals that move together for one reason: of each, a sentence names the one that moved first. */
export type Family =
  | 'memory'
  | 'work'
  | 'heat'
  | 'clock'
  | 'node'
  | 'load'
  | 'cache'
  | 'queue'
  | 'speed'
  | 'throughput'
  | 'errors'
  | 'quality'
  | 'event';

/** A signal that left the band in which it was before. Times are ISO 8601, values in the signal's unit. */
export interface Mover {
  signal: string;
  title: string;
  unit: Unit;
  layer: Layer;
  family: Family;
  labels: Record<string, string>;
  /** When it left the band. */
  onset: string;
  direction: 'rose' | 'fell';
  before: number;
  /** The value that lies farthest from the one before. */
  after: number;
  /** Seconds before the alert's own signal moved; negative where it came after. */
  lead: number;
  /** The signal that the alert is about. */
  isOwn: boolean;
  /** `[Unix seconds, value]` of each step. */
  points: [number, number][];
}

/** How a signal stood before and while the condition held, whether it moved or not. */
export interface Standing {
  signal: string;
  title: string;
  unit: Unit;
  layer: Layer;
  labels: Record<string, string>;
  before: number | null;
  during: number | null;
  moved: boolean;
}

export interface RequestExample {
  traceId: string;
  spanId: string;
  responseId: string | null;
  conversationId: string | null;
  model: string;
  node: string;
  endedAt: string;
  outcome: string;
  errorType: string | null;
  statusCode: number | null;
  /** Seconds. */
  duration: number;
  responseLatency: number | null;
  queueDuration: number | null;
  timePerOutputToken: number | null;
  outputTokens: number | null;
  /** The greater of the answer's and the reasoning's, from 0 to 1. */
  repetition: number | null;
}

/** The requests behind an alert. */
export interface Requests {
  from: string;
  to: string;
  total: number;
  failed: number;
  looping: number;
  /** Errors by type, the most frequent first. */
  errors: { type: string; count: number }[];
  slowest: RequestExample[];
  failures: RequestExample[];
  loops: RequestExample[];
  /** Whether there were more than were looked at. */
  isCut: boolean;
}

export interface GpuEvent {
  time: string;
  node: string;
  gpu: string | null;
  kind: string;
  code: number | null;
  meaning: string;
  replay: boolean;
}

/** How it stood when the alert ended. */
export interface Ending {
  at: string;
  /** Signals that moved, with their last value. */
  signals: {
    signal: string;
    title: string;
    unit: Unit;
    labels: Record<string, string>;
    value: number;
    isBack: boolean;
  }[];
}

export interface Incident {
  status: 'complete' | 'failed';
  /** Why it failed. */
  reason: string | null;
  window: { from: string; baselineUntil: string; activeSince: string; to: string; step: number };
  /** Whether enough is known of the time before to say what moved. */
  isKnown: boolean;
  /** In the order in which they moved. */
  movers: Mover[];
  signals: Standing[];
  requests: Requests;
  events: GpuEvent[];
  ending: Ending | null;
}
