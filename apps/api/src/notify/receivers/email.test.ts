import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, it } from 'vitest';
import { judge, type Attempt } from '../decide.js';
import { AT, batch, hostile, message } from '../testing.js';
import { email, type EmailOptions } from './email.js';

interface Mail {
  from: string;
  to: string[];
  text: string;
}

let cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const run of cleanUps) await run();
  cleanUps = [];
});

/** A real SMTP server on loopback. */
async function startMail(options: SMTPServerOptions = {}): Promise<{ url: string; mails: Mail[] }> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false ? '' : mailFrom.address;
        mails.push({ from, to: rcptTo.map(({ address }) => address), text: Buffer.concat(chunks).toString() });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1') as unknown as Server;
  if (!listening.listening) await once(listening, 'listening');
  cleanUps.push(() => new Promise((done) => server.close(() => done(undefined))));
  return { url: `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`, mails };
}

const receiver = (url: string, change: Partial<EmailOptions> = {}) =>
  email({
    name: 'mail',
    server: { url: new URL(url), reach: 'private' },
    from: 'Vigil <vigil@example.org>',
    to: ['night@example.org', 'boss@example.org'],
    requireTls: false,
    ...change,
  });

function deliver(to: ReturnType<typeof receiver>, given = batch([message()]), timeoutSeconds = 5): Promise<Attempt> {
  const payload = JSON.parse(JSON.stringify(to.render(given, 'key-1')));
  const parcel = { payload, key: 'key-1', reference: null, isLate: false, now: AT };
  return to.deliver(parcel, { timeoutSeconds, signal: new AbortController().signal });
}
const verdict = (attempt: Attempt) => judge(attempt, 1, AT, 1);

describe('an e-mail', () => {
  it('reaches everybody, as text and HTML, and says who it belongs to', async () => {
    const { url, mails } = await startMail();
    expect(verdict(await deliver(receiver(url))).result).toBe('sent');
    expect(verdict(await deliver(receiver(url), batch([message({ status: 'resolved' })]))).result).toBe('sent');
    expect(mails).toHaveLength(2);
    const [{ from, to, text }] = mails as [Mail, Mail];
    expect({ from, to }).toEqual({ from: 'vigil@example.org', to: ['night@example.org', 'boss@example.org'] });
    expect(text).toContain('Message-ID: <key-1@example.org>');
    expect(text).toContain('Auto-Submitted: auto-generated');
    expect(text).toMatch(/Content-Type: text\/plain[\s\S]*Content-Type: text\/html/);
    const references = mails.map((mail) => /^References: (.*)$/m.exec(mail.text)![1]);
    expect(references[0]).toBe(references[1]);
    expect(references[0]).toContain('7d3e6f0a');
  });

  it('takes no header from a label', async () => {
    const { url, mails } = await startMail();
    const nasty = 'x\r\nBcc: victim@example.org\r\n\r\n<h1>';
    const given = batch([hostile({ rule: nasty, labels: { node: nasty } }), message({ rule: nasty })], {
      group: { node: nasty },
    });
    expect(verdict(await deliver(receiver(url), given)).result).toBe('sent');
    expect(mails[0]!.to).toEqual(['night@example.org', 'boss@example.org']);
    const [head] = mails[0]!.text.split('\r\n\r\n');
    expect(head).not.toMatch(/^Bcc:/m);
  });

  it('is sent with the password, and a wrong one is told without it', async () => {
    const options: SMTPServerOptions = {
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _, done) =>
        password === 'sEcReT' ? done(null, { user: username }) : done(new Error(`no ${password}`)),
    };
    const { url, mails } = await startMail(options);
    const as = (password: string) => receiver(url.replace('smtp://', `smtp://me:${password}@`));
    expect(verdict(await deliver(as('sEcReT'))).result).toBe('sent');
    expect(mails).toHaveLength(1);
    const refused = verdict(await deliver(as('wrOnG')));
    expect(refused).toMatchObject({ result: 'dead', reason: expect.stringContaining('SMTP 535') });
    expect(JSON.stringify(refused)).not.toContain('wrOnG');
    expect(JSON.stringify(as('sEcReT'))).not.toContain('sEcReT');
  });

  it('is not sent in the open where TLS is required', async () => {
    const { url, mails } = await startMail();
    expect(verdict(await deliver(receiver(url, { requireTls: true }))).result).not.toBe('sent');
    expect(mails).toEqual([]);
  });

  it.each([
    [451, 'retry'],
    [550, 'dead'],
  ])('that is answered %d: %s', async (responseCode, result) => {
    const { url } = await startMail({
      onRcptTo: (_, __, done) => done(Object.assign(new Error('sEcReT'), { responseCode })),
    });
    const found = verdict(await deliver(receiver(url)));
    expect(found).toMatchObject({ result, reason: expect.stringContaining(`SMTP ${responseCode}`) });
    expect(JSON.stringify(found)).not.toContain('sEcReT');
  });

  it('to a server that is not there, or not allowed, is tried again', async () => {
    expect(await deliver(receiver('smtp://127.0.0.1:1'))).toEqual({
      kind: 'failed',
      reason: 'No connection (ECONNREFUSED).',
    });
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])
      expect(
        await deliver(receiver('smtp://x', { server: { url: new URL(`smtp://${host}:1`), reach: 'public' } })),
      ).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('private'),
      });
  });

  it.each<[string, (write: (text: string) => boolean) => void]>([
    ['says nothing', () => undefined],
    [
      'talks without end',
      (write) => {
        for (let i = 0; i < 160; i++) write(`220-${'x'.repeat(65_536)}`);
      },
    ],
  ])('to a server that %s is given up on', async (_, talk) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      talk((text) => socket.write(text));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => new Promise((done) => server.close(done)));
    const attempt = await deliver(
      receiver(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`),
      batch([message()]),
      0.5,
    );
    expect(verdict(attempt).result).toBe('retry');
    expect(JSON.stringify(attempt)).not.toContain('xxx');
  });
});
