import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readGgufHeader } from '@vigil/gguf';
import { readConfig } from '@vigil/service';
import { until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { configSchema } from '../config.js';
import { checkHeader } from './check.js';
import { partsOf } from './checksum.js';
import { SCRIPTED } from '../testing/runtime.js';
import { BUNDLED, checkSum, nameOf, resolveModel } from './resolve.js';

let folder: string;
let scripted: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-model-'));
  scripted = await readFile(SCRIPTED);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The scripted model with some bytes changed. */
async function changed(name: string, change: (bytes: Buffer) => Buffer | void): Promise<string> {
  const copy = Buffer.from(scripted);
  const path = join(folder, name);
  await writeFile(path, change(copy) ?? copy);
  return path;
}

const hub = { endpoint: 'http://127.0.0.1:1', token: undefined };
const resolve = (model: string | undefined, name?: string) =>
  resolveModel({ model, name, downloads: folder, hub, progress: () => undefined });

/** Overwrites the number behind a key. */
const setU32 = (bytes: Buffer, key: string, value: number): void => {
  bytes.writeUInt32LE(value, bytes.indexOf(key) + key.length + 4);
};

/** An architecture that the check lets pass, without what llama.cpp takes for granted. */
function withoutHeads(bytes: Buffer): void {
  for (let at = bytes.indexOf('qwen2'); at >= 0 && at < 4000; at = bytes.indexOf('qwen2', at + 1))
    bytes.write('gemma', at);
  bytes.write('Q', bytes.indexOf('gemma.attention.head_count'));
}

describe('the header of a GGUF file', () => {
  it('is read without its tensors', async () => {
    const { version, tensors, metadata } = await readGgufHeader(SCRIPTED);
    expect([version, tensors]).toEqual([3, 15]);
    expect(Object.fromEntries(metadata)).toMatchObject({
      'general.architecture': 'qwen2',
      'qwen2.context_length': 4096,
      'tokenizer.ggml.add_bos_token': true,
    });
    expect(metadata.get('qwen2.attention.layer_norm_rms_epsilon')).toBeCloseTo(1e-6);
    expect(metadata.get('tokenizer.ggml.tokens.length')).toBeGreaterThan(256);
    expect(checkHeader({ version, tensors, metadata })).toBe('qwen2');
  });

  it.each<[string, (bytes: Buffer) => Buffer | void, RegExp]>([
    ['empty', () => Buffer.alloc(0), /is no GGUF file: it does not begin with "GGUF"/],
    ['text', () => Buffer.from('this is no model'), /is no GGUF file/],
    ['short', (b) => b.subarray(0, 6), /is a damaged GGUF file: it ends within its header/],
    ['half-header', (b) => b.subarray(0, 3000), /is a damaged GGUF file: it ends within its header/],
    ['version', (b) => void b.writeUInt32LE(9, 4), /is a GGUF file of version 9; versions 2 and 3 are read/],
    ['entries', (b) => void b.writeBigUInt64LE(2n ** 40n, 16), /names too many entries/],
    ['length', (b) => void b.writeBigUInt64LE(2n ** 63n, 24), /a length is absurd/],
    ['text-length', (b) => void b.writeBigUInt64LE(2n ** 31n, 24), /absurdly long/],
    ['no-weights', (b) => void b.writeBigUInt64LE(0n, 8), /is a GGUF file without weights/],
    ['no-architecture', (b) => void b.write('general.architectuRe', 32), /lacks general\.architecture/],
    [
      'no-heads',
      (b) => void b.write('Q', b.indexOf('qwen2.attention.head_count')),
      /lacks qwen2\.attention\.head_count/,
    ],
    ['zero-heads', (b) => setU32(b, 'qwen2.attention.head_count', 0), /lacks qwen2\.attention\.head_count/],
    ['no-feed-forward', (b) => void b.write('Q', b.indexOf('qwen2.feed_forward')), /lacks qwen2\.feed_forward_length/],
    ['no-tokens', (b) => void b.write('T', b.indexOf('tokenizer.ggml.tokens')), /lacks tokenizer\.ggml\.tokens/],
  ])('that is wrong is told in a sentence: %s', async (name, change, sentence) => {
    const path = await changed(`${name}.gguf`, change);
    const failure = await resolve(path).catch((error: Error) => error);
    expect(failure).toMatchObject({ name: 'UserError', message: expect.stringMatching(sentence) as string });
    expect((failure as Error).message).toContain(`The model file ${path} is`);
    expect((failure as Error).message).toContain('Set MODEL to another GGUF file');
  });

  it('survives any single changed byte', async () => {
    const path = join(folder, 'mutant.gguf');
    const header = Buffer.from(scripted.subarray(0, 64 * 1024));
    await writeFile(path, header);
    const file = await open(path, 'r+');
    let state = 1;
    for (let i = 0; i < 300; i++) {
      state = (state * 48271) % 2147483647;
      // Mostly among the first entries, where structure is.
      const at = state % (i % 3 === 0 ? header.length : 1500);
      await file.write(Buffer.of(state & 0xff), 0, 1, at);
      const result = await readGgufHeader(path).catch((error: Error) => error);
      if (result instanceof Error) expect(result.name).toBe('GgufError');
      await file.write(header, at, 1, at);
    }
    await file.close();
  });
});

describe('MODEL', () => {
  it('unset is the bundled model, whatever the working folder', async () => {
    expect(await resolve(undefined)).toMatchObject({ path: BUNDLED, name: 'vigil-nano-r1', architecture: 'qwen2' });
  });

  it('is checked against its checksum where it is the bundled one', async () => {
    const [path, sums] = [join(folder, 'vigil-nano-r1.gguf'), join(folder, 'SHA256SUMS')];
    await copyFile(BUNDLED, path);
    await expect(checkSum(path)).rejects.toThrow(`${sums} does not say what vigil-nano-r1.gguf has to be.`);
    await copyFile(join(dirname(BUNDLED), 'SHA256SUMS'), sums);
    await expect(checkSum(path)).resolves.toBeUndefined();
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    const at = Math.floor(size / 2);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.of(buffer[0]! ^ 1), 0, 1, at);
    await file.close();
    await expect(checkSum(path)).rejects.toThrow(
      /^The bundled model .* is damaged: .* or set MODEL to another GGUF file\.$/,
    );
    await truncate(path, 4096);
    await expect(checkSum(path)).rejects.toThrow('is damaged');
  });

  it('may be a path, and MODEL_NAME may name it', async () => {
    const path = await changed('mine.gguf', () => undefined);
    expect(await resolve(path)).toMatchObject({ path, name: 'mine', size: scripted.length });
    expect(await resolve(path, 'my/model')).toMatchObject({ name: 'my/model' });
  });

  it('that is missing, or a folder, is told', async () => {
    await expect(resolve('/nowhere/model.gguf')).rejects.toThrow(
      'There is no model file /nowhere/model.gguf. Set MODEL to another GGUF file, or unset it to use the bundled model.',
    );
    await expect(resolve(folder)).rejects.toThrow(`${folder} is no file, so it can not be the model.`);
  });

  it.each([
    ['/m/DeepSeek-R1-Q4_K_M.gguf', 'DeepSeek-R1-Q4_K_M'],
    ['/m/big-00001-of-00003.gguf', 'big'],
    ['plain', 'plain'],
  ])('%s is called %s', (path, name) => {
    expect(nameOf(path)).toBe(name);
  });
});

describe('the first of several parts', () => {
  it('may be a header alone', async () => {
    const header = await readGgufHeader(SCRIPTED);
    const metadata = new Map(header.metadata).set('split.count', 3);
    expect(checkHeader({ ...header, metadata, tensors: 0 })).toBe('qwen2');
    expect(() => checkHeader({ ...header, tensors: 0 })).toThrow('without weights');
  });
});

describe('a model of Hugging Face', () => {
  let server: Server;
  let gets = 0;
  const ranges: number[] = [];
  /** What the hub says that the file is; nothing where undefined. */
  let sum: string | undefined;
  /** What it sends in its place, and after how many bytes it breaks off. */
  let sent: Buffer | undefined;
  let breaksAt = Infinity;
  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = request.url?.split('?')[0];
      if (path === '/v2/somebody/something/manifests/Q8_0')
        return response.end(JSON.stringify({ ggufFile: { rfilename: 'model.gguf' } }));
      if (!/^\/somebody\/something\/resolve\/main\/(model|other|third)\.gguf$/.test(path ?? ''))
        return response.writeHead(path?.includes('gated') ? 403 : 404).end();
      const bytes = sent ?? scripted;
      const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '');
      const [from, to] = [Number(range?.[1] ?? 0), Number(range?.[2] || bytes.length - 1)];
      response.writeHead(range ? 206 : 200, {
        'content-length': to - from + 1,
        'accept-ranges': 'bytes',
        ...(sum !== undefined && { 'x-linked-etag': `"${sum}"` }),
        ...(range && { 'content-range': `bytes ${from}-${to}/${bytes.length}` }),
      });
      if (request.method === 'HEAD') return response.end();
      gets++;
      ranges.push(from);
      if (to < breaksAt) return response.end(bytes.subarray(from, to + 1));
      return response.write(bytes.subarray(from, Math.max(from, breaksAt)), () => response.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    hub.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it('is fetched once, and its progress told', async () => {
    const told: string[] = [];
    const get = () =>
      resolveModel({
        model: 'hf:somebody/something/model.gguf',
        name: undefined,
        downloads: folder,
        hub,
        progress: (text) => told.push(text),
      });
    const { path } = await get();
    expect((await readFile(path)).equals(scripted)).toBe(true);
    expect(told[0]).toBe('looking for hf:somebody/something/model.gguf');
    expect(gets).toBeGreaterThan(0);
    const before = [gets, told.length];
    expect((await get()).path).toBe(path);
    expect([gets, told.length]).toEqual(before);
  });

  const fetchAs = (file: string, progress: (text: string) => void = () => undefined) =>
    resolveModel({ model: `hf:somebody/something${file}`, name: undefined, downloads: folder, hub, progress });

  it('is checked against what the hub says, once; one that arrives damaged is removed', async () => {
    sum = createHash('sha256').update(scripted).digest('hex');
    sent = Buffer.from(scripted);
    sent[sent.length - 1]! ^= 1;
    await expect(fetchAs('/other.gguf')).rejects.toThrow(
      /hf:somebody\/something\/other\.gguf arrived damaged: the SHA-256 of \S*other\.gguf is [0-9a-f]{64}, and [0-9a-f]{64} is expected\. It was removed/,
    );
    sent = undefined;
    const told: string[] = [];
    const { path } = await fetchAs('/other.gguf', (text) => told.push(text));
    expect((await readFile(path)).equals(scripted)).toBe(true);
    expect(told.at(-1)).toMatch(/^checking \S*other\.gguf$/);
    expect(await readFile(`${path}.sha256`, 'utf8')).toMatch(new RegExp(`^${sum}  \\S*other\\.gguf\n$`));
    told.length = 0;
    await fetchAs('/other.gguf', (text) => told.push(text));
    expect(told).toEqual([]);
    sum = undefined;
  });

  it('that breaks off on its way is gone on with', async () => {
    const long = Buffer.concat([scripted, Buffer.alloc(24 * 2 ** 20, 7)]);
    sent = long;
    sum = createHash('sha256').update(long).digest('hex');
    breaksAt = 16 * 2 ** 20;
    ranges.length = 0;
    const fetching = fetchAs('/third.gguf');
    await until('it to break off', () => ranges.length > 0);
    const before = ranges.length;
    await new Promise((done) => setTimeout(done, 50));
    breaksAt = Infinity;
    expect((await readFile((await fetching).path)).equals(long)).toBe(true);
    expect(ranges.slice(before).some((from) => from > 0)).toBe(true);
    sent = sum = undefined;
  });

  it('may be named by its quantisation, and is checked then too', async () => {
    sum = createHash('sha256').update('something else').digest('hex');
    await expect(fetchAs(':Q8_0')).rejects.toThrow('arrived damaged');
    sum = createHash('sha256').update(scripted).digest('hex');
    expect((await readFile((await fetchAs(':Q8_0')).path)).equals(scripted)).toBe(true);
    sum = undefined;
  });

  it.each([
    ['m.gguf', ['m.gguf']],
    ['a/m-00001-of-00002.gguf', ['a/m-00001-of-00002.gguf', 'a/m-00002-of-00002.gguf']],
  ])('%s has the parts %j', (name, parts) => {
    expect(partsOf(name)).toEqual(parts);
  });

  it.each([
    [
      'hf:somebody/else/model.gguf',
      /could not be fetched: 127\.0\.0\.1:\d+ has no such file\. Check the name in MODEL/,
    ],
    ['hf:somebody/gated/model.gguf', /wants permission: set HF_TOKEN/],
  ])('%s is refused with a sentence', async (model, sentence) => {
    await expect(resolve(model)).rejects.toThrow(sentence);
  });

  it('of a server that does not answer is told at once', async () => {
    const nowhere = { endpoint: 'http://127.0.0.1:1', token: undefined };
    const fetchFrom = (model: string) =>
      resolveModel({ model, name: undefined, downloads: folder, hub: nowhere, progress: () => undefined });
    await expect(fetchFrom('hf:a/b/c.gguf')).rejects.toThrow(
      /hf:a\/b\/c\.gguf could not be fetched: .*does not answer/,
    );
    await expect(fetchFrom('hf:a/b:Q4_K_M')).rejects.toThrow(/hf:a\/b:Q4_K_M could not be fetched: /);
  });
});

describe('a start with a model that llama.cpp can not load', () => {
  it.each<[string, (bytes: Buffer) => Buffer | void]>([
    ['cut short', (b) => b.subarray(0, 500_000)],
    ['whose heads do not fit', (b) => setU32(b, 'qwen2.attention.head_count', 3)],
    ['that aborts the process', (b) => withoutHeads(b)],
    ['of an unknown architecture', (b) => void b.write('qwen9', b.indexOf('qwen2'))],
  ])('%s ends with a sentence, and leaves nothing behind', async (name, change) => {
    const path = await changed(`${name.replaceAll(' ', '-')}.gguf`, change);
    const env = { MODEL: path, DATA_DIR: folder, RUNTIME_PORT: '0', LLAMA_GPU: 'none', LOG_LEVEL: 'error' };
    const app = createApp(readConfig(configSchema, env));
    const failure = await app.start().catch((error: Error) => error);
    expect(failure).toMatchObject({ name: 'UserError' });
    expect((failure as Error).message).toMatch(/^The model file .*gguf could not be loaded: .*Set MODEL to another/s);
    await app.stop();
    expect(() => process.kill(app.enginePid!, 0)).toThrow('ESRCH');
  });
});
