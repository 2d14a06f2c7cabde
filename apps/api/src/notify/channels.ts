import type { Message } from './message.js';

/** Where the evaluator puts what is to be told, in the transaction that writes the transition. */
export interface Channel {
  name: string;
  render: (message: Message, key: string) => object;
}

/** The one place it is put: from there it is routed to receivers. No receiver can have this name. */
export const INBOX: Channel = { name: '@inbox', render: (message) => message };
