import { createTestDatabase, until } from '@vigil/testing';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { Launcher } from './launcher.js';

describe('a PostgreSQL of the user', () => {
  it('is used instead of an embedded one, and nobody stays connected after the end', async () => {
    const database = await createTestDatabase();
    const launcher = await Launcher.run({ DATABASE_URL: database.url, GPU_SOURCE: 'none' });
    try {
      const { addresses, processes } = await launcher.ready();
      expect(Object.keys(processes).toSorted()).toEqual(['api', 'collector', 'runtime']);
      const openai = new OpenAI({ baseURL: `${addresses.runtime}/v1`, apiKey: 'x', maxRetries: 0 });
      const model = (await openai.models.list()).data[0]!.id;
      const { id } = await openai.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello' }] });
      const row = 'SELECT 1 FROM request WHERE response_id = $1';
      await until('its row', async () => (await database.query(row, [id])).length === 1);
      expect(await launcher.stop()).toBe(0);
    } finally {
      await launcher.remove();
      await database.drop();
    }
  }, 60_000);
});
