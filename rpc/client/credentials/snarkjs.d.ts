// Types of snarkjs and of the hash, which have none that fit: what we use of them and no more.
declare module 'snarkjs' {
  interface Group {
    readonly F: { readonly n8: number }
    readonly g: Uint8Array
    readonly zeroAffine: Uint8Array
    timesFr(point: Uint8Array, scalar: Uint8Array): Uint8Array
    toAffine(point: Uint8Array): Uint8Array
    toRprLEM(buffer: Uint8Array, offset: number, point: Uint8Array): void
  }
  interface Curve {
    readonly q: bigint
    readonly G1: Group
    readonly G2: Group
    readonly Fr: { e(value: bigint): Uint8Array }
    terminate(): Promise<void>
  }
  interface Groth16Proof {
    readonly pi_a: readonly string[]
    readonly pi_b: readonly (readonly string[])[]
    readonly pi_c: readonly string[]
    readonly protocol: string
    readonly curve: string
  }
  interface Logger {
    debug(text: string): void
    info(text: string): void
    warn(text: string): void
    error(text: string): void
  }
  type File = string | Uint8Array
  export const curves: { getCurveFromName(name: string, options?: { singleThread?: boolean }): Promise<Curve> }
  // biome-ignore lint/suspicious/noExplicitAny: the caller says what it reads
  export const r1cs: { exportJson(file: string): Promise<any> }
  export const zKey: {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    exportVerificationKey(file: string): Promise<any>
  }
  export const groth16: {
    fullProve(
      input: object,
      wasm: File,
      zkey: File,
      logger?: Logger,
      witnessOptions?: object,
      proverOptions?: { singleThread?: boolean },
    ): Promise<{ proof: Groth16Proof; publicSignals: string[] }>
    verify(key: object, signals: readonly string[], proof: Groth16Proof): Promise<boolean>
  }
}
