import { grammarOfChoices } from './json-grammar.js';
import { SchemaError } from './json-schema.js';

/** A function that the model may call, as the client describes it. */
export interface Tool {
  name: string;
  description: string | undefined;
  /** A JSON Schema; undefined is any object. */
  parameters: Readonly<Record<string, unknown>> | undefined;
  /** The arguments must follow the schema to the letter. */
  strict: boolean;
}

/** A call that was made: `args` is JSON as the model wrote it. */
export interface ToolCall {
  name: string;
  args: string;
}

/** DeepSeek's tokens around calls of tools and what came of them. */
export const TOOL_TOKENS = {
  callsBegin: '<｜tool▁calls▁begin｜>',
  callBegin: '<｜tool▁call▁begin｜>',
  separator: '<｜tool▁sep｜>',
  callEnd: '<｜tool▁call▁end｜>',
  callsEnd: '<｜tool▁calls▁end｜>',
  outputsBegin: '<｜tool▁outputs▁begin｜>',
  outputBegin: '<｜tool▁output▁begin｜>',
  outputEnd: '<｜tool▁output▁end｜>',
  outputsEnd: '<｜tool▁outputs▁end｜>',
} as const;

/** The only kind of tool that there is. */
export const KIND = 'function';
/** What stands between a tool's name and its arguments, and after these. */
export const ARGS_BEGIN = '\n```json\n';
export const ARGS_END = '\n```';

/** What a model that was trained on calls is told of its tools, as a part of the system's text. */
export function describeTools(tools: readonly Tool[]): string {
  const { callsBegin, callBegin, separator, callEnd, callsEnd } = TOOL_TOKENS;
  const form = `${callsBegin}${callBegin}${KIND}${separator}NAME${ARGS_BEGIN}{"argument": "value"}${ARGS_END}${callEnd}${callsEnd}`;
  const each = tools.map(({ name, description, parameters }) =>
    JSON.stringify({ name, ...(description !== undefined && { description }), parameters: parameters ?? {} }),
  );
  return [
    '## Tools',
    'These functions can be called, each described as JSON with the JSON Schema of its arguments:',
    ...each.map((tool) => `\`\`\`json\n${tool}\n\`\`\``),
    `To call one, answer in exactly this form, several calls one after another within it:\n${form}`,
  ].join('\n\n');
}

/**
 * The grammar (GBNF) of one call from its name to the end of its arguments. A schema that a grammar can not say leaves
 * the arguments any JSON object, unless the tool is strict.
 * @throws SchemaError with the index of the tool before the schema's own path
 */
export function toolsGrammar(tools: readonly Tool[]): string {
  return grammarOfChoices(
    tools.map(({ name, parameters, strict }, index) => ({
      before: `${name}${ARGS_BEGIN}`,
      schema: parameters === undefined || Object.keys(parameters).length === 0 ? undefined : parameters,
      onError: (error: SchemaError) => {
        if (strict) throw new SchemaError(`tools[${index}].function.parameters: ${error.message}`);
      },
    })),
  );
}
