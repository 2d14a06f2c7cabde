import type { Signal } from '@vigil/signals';

export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

/** What a person reads, in English and in Chinese. */
export type Words = readonly [en: string, zh: string];

export const say = (language: Language, [en, zh]: Words): string => (language === 'zh' ? zh : en);

export const titleOf = ({ title, titleZh }: Pick<Signal, 'title' | 'titleZh'>): Words => [title, titleZh];
