import type { Batch } from '../batch.js';
import type { Attempt } from '../decide.js';
import type { SendOptions } from '../http.js';

export const KINDS = ['slack', 'webhook', 'alertmanager', 'email', 'dingtalk', 'feishu', 'wecom'] as const;
export type Kind = (typeof KINDS)[number];

/** What is handed to a receiver. */
export interface Parcel {
  /** What `render` made, read from the database. */
  payload: unknown;
  /** The same in every attempt, so that a repeated delivery can be told. */
  key: string;
  /** What the receiver calls the first message of the episode; null where there is none (yet). */
  reference: unknown;
  /** Whether a later message of the episode was delivered already: this one is sent again by hand. */
  isLate: boolean;
  now: Date;
}

/** Somewhere that messages go. Its address and secrets stay inside. */
export interface Receiver {
  name: string;
  kind: Kind;
  /** The host, for the log. */
  where: string;
  /**
   * Set where the other side forgets an alert that it is not reminded of: how often it is told again, in seconds. It gets
   * all alerts as they are: grouping, quiet hours and repeats are its own business.
   */
  refreshSeconds?: number;
  /** How many answers one delivery waits for at the most, one after the other; 1 unless given. */
  steps?: number;
  /** The batch in this receiver's form, without a secret: it is kept in the database. */
  render: (batch: Batch, key: string) => object;
  /** One attempt. Never throws. */
  deliver: (parcel: Parcel, options: SendOptions) => Promise<Attempt>;
}
