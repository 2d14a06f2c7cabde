import { platform } from 'node:os';
import { describe, expect, it } from 'vitest';
import { outOfMemoryKills, ranOutOfMemory } from './out-of-memory.js';

describe('a death for want of memory', () => {
  it.each<[string, string | null, string, number | undefined, number | undefined, boolean]>([
    ['killed as the system killed one', 'SIGKILL', '', 3, 4, true],
    ['killed by somebody', 'SIGKILL', '', 3, 3, false],
    ['killed where the system does not tell', 'SIGKILL', '', undefined, undefined, false],
    ['aborted, and said so', 'SIGABRT', 'CUDA error: out of memory', 3, 3, true],
    ['aborted for another reason', 'SIGABRT', 'GGML_ASSERT(n > 0) failed', 3, 4, false],
    ['ended with the words of C++', 'SIGABRT', "terminate called after throwing 'std::bad_alloc'", 0, 0, true],
  ])('%s', (_, signal, output, before, after, expected) => {
    expect(ranOutOfMemory(signal, output, before, after)).toBe(expected);
  });

  it('is counted by Linux', () => {
    expect(typeof outOfMemoryKills()).toBe(platform() === 'linux' ? 'number' : 'undefined');
  });
});
