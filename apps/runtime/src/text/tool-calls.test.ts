import { describe, expect, it } from 'vitest';
import { ToolSteering } from '../child/tool-steering.js';
import { ToolCallReader, type ToolCallPiece } from './tool-calls.js';
import { renderPrompt } from './prompt.js';
import { toolsGrammar, TOOL_TOKENS } from './tools.js';

const { callsBegin, callBegin, separator, callEnd, callsEnd } = TOOL_TOKENS;
const SPECIAL = new Set<string>(Object.values(TOOL_TOKENS));
const detokenize = (tokens: readonly string[]) => tokens.filter((token) => !SPECIAL.has(token)).join('');
const join = (pieces: readonly ToolCallPiece[]) => {
  const calls: { name: string; args: string }[] = [];
  for (const { index, name, args } of pieces) {
    if (name !== undefined) calls[index] = { name, args: '' };
    calls[index]!.args += args;
  }
  return calls;
};

describe('calls of tools', () => {
  const read = (tokens: readonly string[]) => {
    const reader = new ToolCallReader<string>(TOOL_TOKENS, detokenize);
    const pieces = tokens.flatMap((token) => reader.push(token));
    return { calls: join([...pieces, ...reader.flush()]), over: reader.over };
  };
  const call = (...text: string[]) => [callBegin, 'function', separator, ...text, callEnd];

  it.each<[string, string[], { name: string; args: string }[]]>([
    ['one', call('f', '\n```json\n{"a":', '1}', '\n```'), [{ name: 'f', args: '{"a":1}' }]],
    ['cut anywhere', call(...'f\n```json\n{}\n```'), [{ name: 'f', args: '{}' }]],
    ['without a fence', call('f\n{"a":1}'), [{ name: 'f', args: '{"a":1}' }]],
    ['with a fence of no kind', call('f\n```\n{}\n```'), [{ name: 'f', args: '{}' }]],
    [
      'two, and what stands between them',
      [...call('f\n```json\n{}\n```'), '\n', ' and ', ...call('g\n```json\n{"b":"```"}\n```')],
      [
        { name: 'f', args: '{}' },
        { name: 'g', args: '{"b":"```"}' },
      ],
    ],
    ['that are broken off', [callBegin, 'function', separator, 'f\n```json\n{"a":'], [{ name: 'f', args: '{"a":' }]],
    ['without any arguments', call('f\n```json\n'), []],
    ['of nothing', [callBegin, callEnd, separator, callBegin], []],
  ])('%s', (_, tokens, calls) => {
    expect(read([callsBegin, ...tokens])).toEqual({ calls, over: false });
    expect(read([callsBegin, ...tokens, callsEnd]).over).toBe(true);
  });

  it('are told bit by bit', () => {
    const reader = new ToolCallReader<string>(TOOL_TOKENS, detokenize);
    const tokens = [callsBegin, ...call('f\n', '```json\n', '{"a":', '1', '23', '}', '\n```')];
    const told = tokens.map((token) => reader.push(token).map(({ name, args }) => [name, args]));
    expect(told.filter((pieces) => pieces.length > 0).length).toBeGreaterThan(3);
    expect(told.flat()[0]![0]).toBe('f');
    expect(
      told
        .flat()
        .slice(1)
        .every(([name]) => name === undefined),
    ).toBe(true);
  });
});

describe('whatever a model would say, a call is in order', () => {
  const END = '<end>';
  const steering = (use: { required: boolean; parallel: boolean }) =>
    new ToolSteering({
      use: { grammar: '', ...use },
      tokens: TOOL_TOKENS as never,
      tokenize: (text) => [text] as never,
      detokenize: detokenize as never,
      isEnd: (token) => (token as unknown as string) === END,
      grammar: () => ({}),
    });
  const run = (tools: ToolSteering, wishes: readonly string[]) => {
    const said: string[] = [];
    const bound: boolean[] = [];
    for (const wish of wishes) {
      bound.push(tools.state !== undefined);
      const token = tools.steer(wish as never) as unknown as string;
      said.push(token);
      if (tools.takes(token as never)) tools.push(token as never);
      if (tools.over) break;
    }
    return { said, bound };
  };
  const whole = [callsBegin, callBegin, 'function', separator, 'f\n```json\n{}', '\n```', callEnd];

  it('that must come comes, and ends where its grammar does', () => {
    const wishes = ['x', 'x', 'x', 'x', 'f\n```json\n{}', END, 'x', 'x'];
    const { said, bound } = run(steering({ required: true, parallel: false }), wishes);
    expect(said).toEqual([...whole, callsEnd]);
    expect(bound).toEqual([false, false, false, false, true, true, false, false]);
  });

  it('that the model begins by itself is led on', () => {
    const { said } = run(steering({ required: false, parallel: true }), [
      'text',
      callsBegin,
      'x',
      'x',
      'x',
      'f\n```json\n{}',
      END,
      'x',
      'chatter',
    ]);
    expect(said).toEqual(['text', ...whole, callsEnd]);
  });

  it('may be followed by another where that is allowed', () => {
    const call = [callBegin, 'x', 'x', 'f\n```json\n{}', END, 'x'];
    const wishes = [callsBegin, ...call, '\n', ...call, END];
    const { said } = run(steering({ required: false, parallel: true }), wishes);
    expect(said).toEqual([...whole, '\n', ...whole.slice(1), callsEnd]);
  });

  it('that nobody begins changes nothing', () => {
    expect(run(steering({ required: false, parallel: true }), ['a', 'b', END]).said).toEqual(['a', 'b', END]);
  });
});

describe('the prompt with tools', () => {
  const render = (messages: Parameters<typeof renderPrompt>[0], callsTools = true) => {
    const { segments, primed } = renderPrompt(messages, { reasons: true, callsTools });
    return [
      segments.map((s) => ('special' in s ? `[${s.special.replaceAll(/[<>｜]/g, '')}]` : s.text)).join(''),
      primed,
    ];
  };
  const calls = [
    { name: 'f', args: '{}' },
    { name: 'g', args: '{"a":1}' },
  ];
  const history = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: '', toolCalls: calls },
    { role: 'tool', content: 'one' },
    { role: 'tool', content: '' },
  ] as const;

  it('tells calls and what came of them as the template does, and asks for no new reasoning', () => {
    expect(render(history)).toEqual([
      '[begin▁of▁sentence][User]Hi[Assistant][tool▁calls▁begin]' +
        '[tool▁call▁begin]function[tool▁sep]f\n```json\n{}\n```[tool▁call▁end]' +
        '\n[tool▁call▁begin]function[tool▁sep]g\n```json\n{"a":1}\n```[tool▁call▁end]' +
        '[tool▁calls▁end][end▁of▁sentence]' +
        '[tool▁outputs▁begin][tool▁output▁begin]one[tool▁output▁end]\n[tool▁output▁begin][tool▁output▁end][tool▁outputs▁end]',
      false,
    ]);
  });

  it('goes on behind them', () => {
    const [text, primed] = render([
      ...history,
      { role: 'assistant', content: 'So.' },
      { role: 'user', content: 'And?' },
    ]);
    expect(text).toMatch(/\[tool▁outputs▁end\]So\.\[end▁of▁sentence\]\[User\]And\?\[Assistant\]\[think\]\n$/);
    expect(primed).toBe(true);
  });

  it('for a model without such tokens is one of plain texts', () => {
    expect(render(history, false)).toEqual([
      '[begin▁of▁sentence][User]Hi[Assistant][end▁of▁sentence][User]one[User][Assistant][think]\n',
      true,
    ]);
  });

  it('describes each tool, behind the system’s own text', () => {
    const tool = { name: 'f', description: 'does it', parameters: { type: 'object' }, strict: false };
    const { segments } = renderPrompt([{ role: 'system', content: 'Be brief.' }], { reasons: true, callsTools: true }, [
      tool,
    ]);
    const text = (segments[1] as { text: string }).text;
    expect(text).toMatch(/^Be brief\.\n\n## Tools/);
    expect(text).toContain('{"name":"f","description":"does it","parameters":{"type":"object"}}');
  });
});

describe('the grammar of calls', () => {
  it('keeps the rules of several schemas apart', () => {
    const object = (key: string) => ({ type: 'object', properties: { [key]: { enum: [1, 2] } } });
    const grammar = toolsGrammar([
      { name: 'a', description: undefined, parameters: object('x'), strict: true },
      { name: 'b', description: undefined, parameters: object('y'), strict: true },
      { name: 'c', description: undefined, parameters: {}, strict: false },
    ]);
    const rules = grammar.split('\n').map((line) => line.split(' ::= ')[0]);
    expect(new Set(rules).size).toBe(rules.length);
    expect(grammar).toMatch(
      /^root ::= "a\\n```json\\n" t0r\d+ \| "b\\n```json\\n" t1r\d+ \| "c\\n```json\\n" object\n/,
    );
  });
});
