import { columns, number, percent, size } from '../text.js';
import { CARDS, PUBLISHED_BUILDS, type Build } from './cards.js';
import { alternatives, fewest, fit, type Alternative, type Fit } from './fit.js';
import { needOf, splitsEvenly, type Need } from './memory.js';
import type { Named } from './subject.js';

export interface BuildVerdict extends Fit {
  name: string;
  count: number;
  /** Bytes of one GPU. */
  memory: number;
  /** What would fit instead; empty where it fits. */
  instead: Alternative[];
}

/** Sizes in bytes. */
export interface SizeReport {
  model: string;
  quantization: string;
  context: number;
  concurrency: number;
  cacheType: string;
  need: Need;
  builds: BuildVerdict[];
  /** The fewest of each card that hold it; `count` is `null` where 8 in one machine do not. */
  cards: { name: string; memory: number; count: number | null; perGpu: number | null; ratio: number | null }[];
  notes: string[];
}

export function verdictOf(named: Named, build: Build): BuildVerdict {
  const result = fit(named.sized, build);
  const instead = result.verdict === 'fits' ? [] : alternatives(named.sized, build, named);
  return { name: build.name, count: build.count, memory: build.card.memory, ...result, instead };
}

export function sizeReport(named: Named): SizeReport {
  const { sized } = named;
  const builds = PUBLISHED_BUILDS.map((build) => verdictOf(named, build));
  return {
    model: named.name,
    quantization: named.weightsAre,
    context: sized.context,
    concurrency: sized.concurrency,
    cacheType: sized.cache.name,
    need: needOf(sized),
    builds,
    cards: CARDS.map(({ name, memory }) => {
      const found = fewest(sized, { name, memory });
      return { name, memory, count: found?.count ?? null, perGpu: found?.perGpu ?? null, ratio: found?.ratio ?? null };
    }),
    notes: [...named.notes, ...notesOf(named)],
  };
}

function notesOf({ sized }: Named): string[] {
  const notes = [
    'The KV cache is for whole contexts at once. An engine that pages it (vLLM, SGLang) holds more conversations while they are short, and takes 90 % of a GPU whatever it needs.',
  ];
  if (sized.architecture.attention.kind === 'latent')
    notes.push('Several GPUs: under tensor parallelism each holds the whole latent KV cache (MLA).');
  if (!splitsEvenly(sized.architecture, 8))
    notes.push(
      `Its ${sized.architecture.heads} query heads can not be dealt out to 8 GPUs evenly, as vLLM's tensor parallelism needs.`,
    );
  return notes;
}

const VERDICTS = { fits: 'fits', tight: 'tight', no: 'no' } as const;

/** The report for a terminal. */
export function printSize(named: Named, report: SizeReport): string {
  const { need } = report;
  const lines = [
    `${report.model}, ${report.quantization}: ${number(report.concurrency)} at once, ${number(report.context)} tokens each, KV cache ${report.cacheType}`,
    '',
    ...columns([
      ['  Weights', size(need.weights), named.weightsFrom],
      ['  KV cache', size(need.cache), `${size(need.cachePerToken)} a token`],
      ['  Compute buffers', size(need.compute), 'a GPU'],
      ['  CUDA itself', size(need.context), 'a GPU'],
      ['  Needed on one GPU', size(need.total), `rule of thumb, 1.5 × weights: ${size(need.ruleOfThumb)}`],
    ]),
    '',
    'Published builds',
    ...buildLines(report.builds),
    '',
    'Fewest of a card, in one machine, that hold it within 90 % of their memory',
    ...columns(report.cards.map(cardCells)),
    '',
    ...report.notes,
  ];
  return lines.join('\n');
}

function buildLines(builds: readonly BuildVerdict[]): string[] {
  const table = columns(
    builds.map((b) => [
      `  ${b.name}`,
      VERDICTS[b.verdict],
      `${size(b.perGpu)} of ${size(b.memory)}${b.count > 1 ? ' on each' : ''} (${percent(b.ratio)})`,
    ]),
  );
  return builds.flatMap((build, i) => [table[i]!, ...insteadLines(build)]);
}

function insteadLines({ verdict, instead }: BuildVerdict): string[] {
  if (verdict === 'fits') return [];
  if (instead.length === 0) return ['    nothing of it fits, however short the context'];
  return columns(instead.map(({ text, option }) => [`    would fit: ${text}`, option]));
}

function cardCells({ name, count, perGpu, ratio, memory }: SizeReport['cards'][number]): string[] {
  if (count === null || perGpu === null || ratio === null) return [`  ${name}`, 'more than 8', ''];
  return [`  ${name}`, `${count} ×`, `${size(perGpu)} of ${size(memory)} (${percent(ratio)})`];
}
