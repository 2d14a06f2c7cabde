import { afterAll, afterEach, beforeAll } from 'vitest';
import { FakeUpstream } from './fake-upstream.js';
import { ask, TestRuntime } from './runtime.js';

export const SECRET = 'very-secret-key';
export const REQUEST = { ...ask('What is it?'), model: 'r1' };

/** Two upstreams, the second of which is asked where the first fails, and a runtime before them. */
export class UpstreamPair {
  first!: FakeUpstream;
  second!: FakeUpstream;
  runtime!: TestRuntime;

  /** To be called outside of tests: everything is there in each of a file, and gone after it. */
  static forTests(): UpstreamPair {
    const pair = new UpstreamPair();
    beforeAll(async () => {
      [pair.first, pair.second] = [await FakeUpstream.start(), await FakeUpstream.start()];
    });
    afterAll(() => Promise.all([pair.first.stop(), pair.second.stop()]));
    afterEach(async () => {
      await pair.runtime.stop();
      for (const upstream of [pair.first, pair.second]) upstream.seen.length = upstream.next.length = 0;
    });
    return pair;
  }

  /** One runtime a test, so that no circuit is left open for the next. */
  async start(env: Record<string, string> = {}): Promise<void> {
    this.runtime = await TestRuntime.start({
      ENGINE: 'upstream',
      UPSTREAMS: `first=${this.first.url};key=FIRST_KEY second=${this.second.url};tier=2`,
      FIRST_KEY: SECRET,
      ...env,
    });
  }

  /** Of a runtime that knows the first only. */
  get alone(): Record<string, string> {
    return { UPSTREAMS: `first=${this.first.url};key=FIRST_KEY` };
  }

  post(body: Record<string, unknown> = {}, init: RequestInit = {}): Promise<Response> {
    return this.runtime.post({ ...REQUEST, ...body }, init);
  }

  /** How often an upstream was asked with this outcome. */
  attempts(upstream: string, outcome: string): Promise<number> {
    return this.runtime.metric(
      `vigil_upstream_attempts_total{upstream="${upstream}",outcome="${outcome}",service="runtime"}`,
    );
  }
}

export const errorOf = async (answer: Response) =>
  ((await answer.json()) as { error: { code: string; message: string } }).error;
