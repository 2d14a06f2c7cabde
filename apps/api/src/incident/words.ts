import { formatDuration, formatValue } from '@vigil/signals';
import type { Family, GpuEvent, Incident, Mover, RequestExample, Requests } from './types.js';

/** Of those that moved, so many are told. */
const TOLD = 3;

/** The three sentences of an incident: what moved in which order, how answers and machines stand, which requests. Pure. */
export function linesOf(incident: Incident): string[] {
  if (incident.status === 'failed') return [];
  return [orderLine(incident), incident.ending ? endingLine(incident) : standingLine(incident), requestsLine(incident)];
}

/** `gpu-1/0`, `gpu-1`, or nothing. */
function placeOf({ node, gpu, server, replay }: Readonly<Record<string, string>>): string {
  const place = [node, gpu, server].filter((word) => word !== undefined && word !== '').join('/');
  return place === '' ? '' : ` of ${place}${replay === 'true' ? ' (replay)' : ''}`;
}

const nameOf = (title: string): string => (/^[A-Z]{2}/.test(title) ? title : title[0]!.toLowerCase() + title.slice(1));
const changeOf = ({ unit, before, after }: Mover): string =>
  `${formatValue(before, unit)} → ${formatValue(after, unit)}`;
const clock = (time: string): string => time.slice(11, 19);
const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}`;
const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

/** The first of each family, without that of the alert's own signal. */
function others(movers: readonly Mover[]): Mover[] {
  const own = movers.find(({ isOwn }) => isOwn)?.family;
  const seen = new Set<Family | undefined>([own]);
  return movers.filter(({ family, isOwn }) => {
    if (isOwn || seen.has(family)) return false;
    seen.add(family);
    return true;
  });
}

function orderLine({ movers, events, window, isKnown }: Incident): string {
  const own = movers.find(({ isOwn }) => isOwn);
  const told = others(movers);
  const early = told.filter(({ lead }) => lead >= window.step);
  const event = eventLine(events);
  if (!isKnown) return `${event}Too little is known of the time before to say what moved first.`;
  if (told.length === 0) return `${event}No other signal moved: GPUs, queue and answers are as they were before.`;
  const describe = (mover: Mover): string =>
    `${nameOf(mover.title)}${placeOf(mover.labels)} (${changeOf(mover)}, ${clock(mover.onset)})`;
  const ownName = own ? nameOf(own.title) : 'the condition';
  if (early.length === 0) {
    const with_ = told.slice(0, TOLD).map(describe);
    return `${event}Nothing moved before ${ownName}${own ? ` (${clock(own.onset)})` : ''}; with it or after it: ${listed(with_)}.`;
  }
  const [first, ...rest] = early;
  const later = told.filter((mover) => !early.includes(mover));
  const then = [...rest.slice(0, TOLD - 1).map(describe), ...(own ? [describe(own)] : [])];
  const more = then.length > 0 ? `, then ${then.join(', then ')}` : '';
  const after = then.length < TOLD && later.length > 0 ? `; after it ${listed(later.slice(0, 2).map(describe))}` : '';
  return `${event}${sentence(describe(first!))} moved first, ${formatDuration(first!.lead)} before ${ownName}${more}${after}.`;
}

function eventLine(events: readonly GpuEvent[]): string {
  const [first] = events;
  if (!first) return '';
  const what = first.kind === 'xid' ? `XID ${first.code ?? ''}`.trim() : `GPU ${first.kind}`;
  const place = placeOf({ node: first.node, gpu: first.gpu ?? '', replay: String(first.replay) });
  const more = events.length > 1 ? ` and ${events.length - 1} more` : '';
  return `${what}${place} at ${clock(first.time)} (${first.meaning.replace(/\.$/, '')})${more}. `;
}

const STANDING = ['gpu.memory.ratio', 'gpu.utilization', 'request.queue.mean', 'engine.kv_cache.ratio'];

/** The GPU, the queue, the cache, and the quality of answers, while the condition holds. */
function standingLine({ signals, movers }: Incident): string {
  const now = STANDING.flatMap((id) => {
    const known = signals.filter(({ signal, during }) => signal === id && during !== null);
    const [worst] = known.toSorted((a, b) => b.during! - a.during!);
    return worst ? [`${nameOf(worst.title)} ${formatValue(worst.during!, worst.unit)}`] : [];
  });
  const quality = movers.filter(({ layer }) => layer === 'conversation');
  const measured = signals.some(({ layer, during }) => layer === 'conversation' && during !== null);
  const answers =
    quality.length > 0
      ? `Answers changed: ${listed(quality.slice(0, TOLD).map((mover) => `${nameOf(mover.title)} ${changeOf(mover)}`))}.`
      : measured
        ? 'The quality of answers did not change.'
        : 'No answer was scored in this time.';
  return `${now.length > 0 ? `${sentence(now.join(', '))}. ` : ''}${answers}`;
}

/** What is back, and what is not. */
function endingLine({ ending, window }: Incident): string {
  const lasted = formatDuration((Date.parse(ending!.at) - Date.parse(window.activeSince)) / 1000);
  const say = (isBack: boolean): string =>
    listed(
      ending!.signals
        .filter((one) => one.isBack === isBack)
        .slice(0, TOLD)
        .map(({ title, labels, value, unit }) => `${nameOf(title)}${placeOf(labels)} (${formatValue(value, unit)})`),
    );
  const [back, not] = [say(true), say(false)];
  const parts = [...(back === '' ? [] : [`Back as before: ${back}.`]), ...(not === '' ? [] : [`Not back: ${not}.`])];
  return [`It lasted ${lasted}.`, ...parts].join(' ');
}

function requestsLine({ requests }: Incident): string {
  const { total, failed, looping, slowest, failures, loops, isCut } = requests;
  if (total === 0) return 'No request ended in this time.';
  const many = `${isCut ? 'More than ' : ''}${total} ${total === 1 ? 'request' : 'requests'}`;
  const parts = [
    ...(failed > 0 ? [`${failed} failed (${errorsOf(requests)}${traced(failures)})`] : ['none failed']),
    ...(looping > 0 ? [`${looping} went round in circles${braced(loops)}`] : []),
    ...(slowest[0] ? [`slowest ${formatValue(slownessOf(slowest[0]), 's')}${braced(slowest)}`] : []),
  ];
  return `${many}: ${parts.join('; ')}.`;
}

const slownessOf = ({ responseLatency, duration }: RequestExample): number => responseLatency ?? duration;
const errorsOf = ({ errors }: Requests): string =>
  errors
    .slice(0, 2)
    .map(({ type, count }) => (errors.length === 1 ? type : `${count} ${type}`))
    .join(', ');
const traced = ([first]: readonly RequestExample[]): string => (first ? `, trace ${first.traceId}` : '');
const braced = ([first]: readonly RequestExample[]): string => (first ? ` (trace ${first.traceId})` : '');
