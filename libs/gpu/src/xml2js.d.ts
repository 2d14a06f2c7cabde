declare module 'xml2js' {
  interface ParserOptions {
    explicitArray?: boolean;
    trim?: boolean;
  }
  /** Calls back before it returns, unless `async` is asked for; `null` for an empty text. */
  export function parseString(
    text: string,
    options: ParserOptions,
    callback: (error: Error | null, result: unknown) => void,
  ): void;
}
