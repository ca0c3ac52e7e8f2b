// Types of circomlibjs, which has none: what tests ask of it.
declare module 'circomlibjs' {
  interface Field {
    e(value: bigint): Uint8Array
    toObject(value: Uint8Array): bigint
  }
  export function buildBabyjub(): Promise<{ readonly F: Field }>
  export function buildPoseidon(): Promise<(inputs: readonly unknown[]) => Uint8Array>
  export function buildEddsa(): Promise<{
    verifyPoseidon(message: Uint8Array, signature: object, key: readonly Uint8Array[]): boolean
  }>
}
