import { expect, it } from 'vitest';
import { parseChatRequest } from './chat-request.js';

it.each([
  ['a seed', { seed: 0, temperature: 1 }, { reproducible: true, seeded: true }],
  ['temperature 0', { temperature: 0 }, { reproducible: true, seeded: false }],
  ['neither', {}, { reproducible: false, seeded: false }],
  ['no seed, said in so many words', { seed: null }, { reproducible: false, seeded: false }],
])('a request with %s is computed as such', (_, change, expected) => {
  const body = { model: 'r1', messages: [{ role: 'user', content: 'Hi' }], ...change };
  const model = { reasons: true, callsTools: false };
  expect(parseChatRequest(body, 'r1', model).generation).toMatchObject(expected);
});
