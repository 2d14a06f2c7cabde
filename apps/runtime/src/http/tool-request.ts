import { z } from 'zod';
import type { ToolUse } from '../engine/protocol.js';
import { invalidRequest } from '../errors.js';
import { SchemaError } from '../text/json-schema.js';
import { KIND, toolsGrammar, type Tool, type ToolCall } from '../text/tools.js';
import { optional, tooLarge } from './body-schema.js';

const MOST_TOOLS = 128;
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

const kind = z.literal(KIND, { error: `"${KIND}" is expected` });
const name = z
  .string({ error: 'a name is expected' })
  .regex(NAME, { error: 'up to 64 letters, digits, _ and - are expected' });
const toolSchema = z.object(
  {
    type: kind,
    function: z.object(
      {
        name,
        description: optional(z.string({ error: 'a text is expected' })),
        parameters: optional(z.record(z.string(), z.unknown(), { error: 'a JSON Schema is expected' })),
        strict: optional(z.boolean({ error: 'true or false is expected' })),
      },
      { error: 'an object with a name is expected' },
    ),
  },
  { error: 'an object with type and function is expected' },
);

/** What a request says of tools. */
export const toolBody = {
  tools: optional(
    z
      .array(toolSchema, { error: 'a list of tools is expected' })
      .max(MOST_TOOLS, { error: `at most ${MOST_TOOLS} tools are expected` }),
  ),
  tool_choice: optional(
    z.union(
      [
        z.enum(['none', 'auto', 'required'], { error: 'none, auto or required is expected' }),
        z.object({ type: kind, function: z.object({ name }) }),
      ],
      { error: 'none, auto, required or an object that names a function is expected' },
    ),
  ),
  parallel_tool_calls: optional(z.boolean({ error: 'true or false is expected' })),
};
const bodySchema = z.object(toolBody);

/** What a message says of calls that were made. */
export const callsSchema = optional(
  z
    .array(
      z.object(
        {
          type: optional(kind),
          function: z.object(
            { name, arguments: z.string({ error: 'a text of JSON is expected' }) },
            { error: 'an object with name and arguments is expected' },
          ),
        },
        { error: 'a call of a function is expected' },
      ),
      { error: 'a list of calls is expected' },
    )
    .max(MOST_TOOLS, { error: `at most ${MOST_TOOLS} calls are expected` }),
);

export const toCalls = (calls: z.output<typeof callsSchema>): ToolCall[] | undefined =>
  calls?.map(({ function: { name: called, arguments: args } }) => ({ name: called, args }));

/**
 * The tools that the model is told of, and how it may call them; none where it must not.
 * @throws ApiError that names the parameter at fault
 */
export function readTools(given: z.output<typeof bodySchema>): { tools: Tool[]; use: ToolUse | undefined } {
  const { tool_choice: choice } = given;
  const tools = (given.tools ?? []).map(({ function: { name: called, description, parameters, strict } }) => ({
    name: called,
    description,
    parameters,
    strict: strict ?? false,
  }));
  const twice = tools.findIndex((tool, i) => tools.findIndex((other) => other.name === tool.name) < i);
  if (twice >= 0) throw wrong(`tools[${twice}].function.name`, 'another tool has the same name');
  const large = tooLarge(tools);
  if (large !== undefined) throw wrong('tools', large);
  const named = typeof choice === 'object' ? choice.function.name : undefined;
  const required = named !== undefined || choice === 'required';
  if (required && tools.length === 0) throw wrong('tool_choice', 'there are no tools to call');
  if (named !== undefined && !tools.some((tool) => tool.name === named))
    throw wrong('tool_choice.function.name', `there is no tool ${JSON.stringify(named)}`);
  if (tools.length === 0 || choice === 'none') return { tools: [], use: undefined };
  const callable = named === undefined ? tools : tools.filter((tool) => tool.name === named);
  try {
    const grammar = toolsGrammar(callable);
    // Whoever names one function wants it called once.
    return { tools, use: { grammar, required, parallel: named === undefined && given.parallel_tool_calls !== false } };
  } catch (error) {
    if (error instanceof SchemaError) throw wrong('tools', error.message);
    throw error;
  }
}

const wrong = (param: string, why: string) => invalidRequest(`${param} is wrong: ${why}.`, param);
