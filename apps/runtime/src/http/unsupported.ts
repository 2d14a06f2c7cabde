type Body = Readonly<Record<string, unknown>>;

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
const isNotEmpty = (value: unknown): boolean =>
  isSet(value) && !(typeof value === 'object' && Object.keys(value as object).length === 0);

/** Parameters that would change the answer, each with what of it is asked for here in vain. */
export type Unsupported = Readonly<Record<string, (value: unknown) => boolean>>;

export const CHAT_UNSUPPORTED: Unsupported = {
  best_of: (value) => isSet(value) && value !== 1,
  functions: isSet,
  function_call: (value) => isSet(value) && value !== 'none' && value !== 'auto',
  logit_bias: isNotEmpty,
  modalities: (value) => isSet(value) && !(Array.isArray(value) && value.every((mode) => mode === 'text')),
  audio: isSet,
  web_search_options: isSet,
};

/** Of a model that calls no tools. */
export const TOOLS_UNSUPPORTED: Unsupported = {
  tools: isSet,
  tool_choice: (value) => isSet(value) && value !== 'none' && value !== 'auto',
};

export const TEXT_UNSUPPORTED: Unsupported = {
  best_of: (value) => isSet(value) && value !== 1,
  echo: isSet,
  suffix: (value) => isSet(value) && value !== '',
  logit_bias: isNotEmpty,
  response_format: isSet,
};

/** The first parameter that this server would have to ignore although it changes the answer; others do no harm. */
export function unsupported(asked: Unsupported, body: Body): string | undefined {
  return Object.keys(asked).find((name) => Object.hasOwn(body, name) && asked[name]!(body[name]));
}
