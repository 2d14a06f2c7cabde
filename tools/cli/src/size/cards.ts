import { UserError } from '@vigil/service';

export interface Card {
  id: string;
  name: string;
  /** Bytes, as the driver tells them (`nvidia-smi`, "total"), which is not what the box says. */
  memory: number;
  /** Bytes a second, from the data sheet. */
  bandwidth: number;
  /** How the driver names it. Variants of a name with less come first. */
  pattern: RegExp;
}

const card = (id: string, name: string, mebibytes: number, gigabytes: number, pattern: RegExp): Card => ({
  id,
  name,
  memory: mebibytes * 2 ** 20,
  bandwidth: gigabytes * 1e9,
  pattern,
});

/** Memory as the driver tells it, bandwidth from the data sheets. */
export const CARDS: readonly Card[] = [
  card('t4', 'T4 16 GB', 15_360, 320, /\bT4\b/),
  card('rtx-3060', 'RTX 3060 12 GB', 12_288, 360, /\bRTX 3060\b(?! Ti)/),
  card('rtx-3090', 'RTX 3090 24 GB', 24_576, 936, /\bRTX 3090\b/),
  card('rtx-4090', 'RTX 4090 24 GB', 24_564, 1008, /\bRTX 4090\b/),
  card('rtx-5090', 'RTX 5090 32 GB', 32_607, 1792, /\bRTX 5090\b/),
  card('a10', 'A10 24 GB', 23_028, 600, /\bA10G?\b/),
  card('l4', 'L4 24 GB', 23_034, 300, /\bL4\b/),
  card('a6000', 'RTX A6000 48 GB', 49_140, 768, /\bRTX A6000\b/),
  card('l40s', 'L40S 48 GB', 46_068, 864, /\bL40S?\b/),
  card('a100-40', 'A100 40 GB', 40_960, 1555, /\bA100\b.*\b40GB/),
  card('a100-80', 'A100 80 GB', 81_920, 1935, /\bA100\b/),
  card('h100', 'H100 80 GB', 81_559, 3350, /\bH100\b/),
  card('h20', 'H20 96 GB', 97_871, 4000, /\bH20\b/),
  card('h200', 'H200 141 GB', 143_771, 4800, /\bH200\b/),
  card('b200', 'B200 180 GB', 183_359, 8000, /\bB200\b/),
  card('mi300x', 'MI300X 192 GB', 196_592, 5300, /\bMI300X\b/),
];

/** @throws UserError that names those known */
export function findCard(given: string): Card {
  const id = given.trim().toLowerCase().replaceAll(' ', '-');
  const found = CARDS.find((known) => known.id === id || known.id === `rtx-${id}`);
  if (found) return found;
  throw new UserError(`There is no GPU "${given}" in the table. Known are ${CARDS.map((c) => c.id).join(', ')}.`);
}

/** The card that a driver's name means, such as `NVIDIA A100-SXM4-80GB`. */
export function cardOf(productName: string): Card | undefined {
  return CARDS.find(({ pattern }) => pattern.test(productName));
}

/** GPUs of one machine that work together. */
export interface Build {
  name: string;
  card: Pick<Card, 'name' | 'memory'>;
  count: number;
}

/** The two builds that the project publishes, and what common cards make of a model. */
export const PUBLISHED_BUILDS: readonly Build[] = [
  { name: 'one RTX 3060 12 GB', card: findCard('rtx-3060'), count: 1 },
  { name: 'four A100 80 GB', card: findCard('a100-80'), count: 4 },
];
