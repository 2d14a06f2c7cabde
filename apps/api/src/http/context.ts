import type { DataSource } from 'typeorm';
import type { Evaluator } from '../evaluate/evaluator.js';
import type { RuleBook } from '../rules/book.js';

/** What the controllers work with. */
export interface ApiContext {
  store: DataSource;
  scope: string;
  book: RuleBook;
  evaluator: Evaluator;
  /** This API's address in links, without a slash at its end. */
  publicUrl: () => string;
  /** What Alertmanagers post: the key that they need, undefined where none may, and where it is counted. */
  received: { key: string | undefined; count: (alerts: { stored: number; own: number }) => void };
  /** Told where something may have to be sent now. */
  onOutbox: () => void;
}

export const API_CONTEXT = Symbol('api context');
