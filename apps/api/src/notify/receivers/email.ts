import { connect, type Socket } from 'node:net';
import { createTransport } from 'nodemailer';
import { AddressRefused, checkedLookup, isAllowed, literalAddress } from '../address.js';
import type { Batch } from '../batch.js';
import type { Attempt } from '../decide.js';
import { cut, oneLine } from '../digest.js';
import { describeFailure, type SendOptions, type Target } from '../http.js';
import { mailHtml, mailText, subjectOf } from './email-text.js';
import type { Parcel, Receiver } from './types.js';

/** Greeting, TLS, password, sender and recipients, text: each waits for an answer. */
const STEPS = 4;

export interface EmailOptions {
  name: string;
  /** `smtp://user:password@host:587`, or `smtps://` for TLS from the first byte. */
  server: Target;
  from: string;
  to: readonly string[];
  /** Whether a server without STARTTLS is refused. */
  requireTls: boolean;
}

interface Payload {
  subject: string;
  text: string;
  html: string;
  episode: string;
  urgent: boolean;
}

/** E-mail over SMTP. The messages of an episode refer to one another, so that they stand together. */
export function email(options: EmailOptions): Receiver {
  const { name, server } = options;
  return {
    name,
    kind: 'email',
    where: server.url.host,
    steps: STEPS,
    render,
    deliver: (parcel, send) => deliver(options, parcel, send),
  };
}

function render(batch: Batch): Payload {
  const firing = batch.entries.filter(({ message }) => message.status === 'firing');
  return {
    subject: cut(oneLine(subjectOf(batch)), 200),
    text: mailText(batch),
    html: mailHtml(batch),
    episode: batch.episode,
    urgent: firing.some(({ message }) => message.context.severity === 'critical'),
  };
}

async function deliver(options: EmailOptions, parcel: Parcel, send: SendOptions): Promise<Attempt> {
  const { server, from, to } = options;
  const { subject, text, html, episode, urgent } = parcel.payload as Payload;
  const domain = /@([\w.-]+)>?\s*$/.exec(from)?.[1] ?? 'vigil.invalid';
  const deadline = AbortSignal.timeout(send.timeoutSeconds * STEPS * 1000);
  const sockets = new Set<Socket>();
  const end = () => sockets.forEach((socket) => socket.destroy());
  const stop = AbortSignal.any([deadline, send.signal]);
  stop.addEventListener('abort', end);
  try {
    const transport = createTransport({ ...transportOptions(options, send.timeoutSeconds), getSocket: open });
    await transport.sendMail({
      from,
      to: [...to],
      subject,
      text,
      html,
      // The same in every attempt: a server or a reader that knows it shows it once.
      messageId: `<${parcel.key}@${domain}>`,
      references: `<${episode}@${domain}>`,
      inReplyTo: `<${episode}@${domain}>`,
      date: parcel.now,
      priority: urgent ? 'high' : 'normal',
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Vigil-Key': parcel.key },
      // What is in a message is text, never a file or an address to be fetched.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    return { kind: 'answered', status: 200, retryAfter: null, code: null };
  } catch (error) {
    if (deadline.aborted) return { kind: 'failed', reason: `No answer within ${send.timeoutSeconds * STEPS} s.` };
    return failure(error, send.timeoutSeconds);
  } finally {
    stop.removeEventListener('abort', end);
    end();
  }

  /** A connection to an address that was checked. */
  function open(_: unknown, done: (error: Error | null, socket?: { connection: Socket }) => void): void {
    const { url, reach } = server;
    const literal = literalAddress(url.hostname);
    if (literal !== undefined && !isAllowed(literal, reach)) return done(new AddressRefused());
    const socket = connect({ host: literal ?? url.hostname, port: portOf(url), lookup: checkedLookup(reach) });
    sockets.add(socket);
    socket.setTimeout(send.timeoutSeconds * 1000, () => socket.destroy(new Error('timeout')));
    const failed = (error: Error) => done(error);
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      socket.setTimeout(0);
      done(null, { connection: socket });
    });
    if (stop.aborted) end();
  }
}

const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'smtps:' ? 465 : 587);

function transportOptions({ server: { url }, requireTls }: EmailOptions, seconds: number) {
  const user = decodeURIComponent(url.username);
  const milliseconds = seconds * 1000;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(url),
    secure: url.protocol === 'smtps:',
    requireTLS: requireTls,
    ...(user !== '' && { auth: { user, pass: decodeURIComponent(url.password) } }),
    connectionTimeout: milliseconds,
    greetingTimeout: milliseconds,
    socketTimeout: milliseconds,
    maxResponseSize: 64 * 1024,
  };
}

/** 4xx passes by itself, 5xx does not (RFC 5321, 4.2.1). The server's text is left out: it may repeat anything. */
function failure(error: unknown, seconds: number): Attempt {
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  if (responseCode !== undefined && responseCode >= 400)
    return { kind: 'refused', code: `SMTP ${responseCode}`, again: responseCode < 500 && { afterSeconds: 0 } };
  if (code === 'ETLS') return { kind: 'refused', code: 'no TLS', again: false };
  if (code === 'ETIMEDOUT') return { kind: 'failed', reason: `No answer within ${seconds} s.` };
  return { kind: 'failed', reason: describeFailure(error) };
}
