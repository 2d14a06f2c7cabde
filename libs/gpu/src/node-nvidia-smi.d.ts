declare module 'node-nvidia-smi' {
  /**
   * Runs `nvidia-smi -q -x` and reads its XML with xml2js.
   * `error` is an `Error`, or the text of standard error when there was any.
   */
  function nvidiaSmi(callback: (error: Error | string | null, data?: unknown) => void): void;
  export default nvidiaSmi;
}
