// Pieces of WebAssembly's binary format (core specification, chapter 5) from which the modules of this folder are put together.
export type Code = readonly number[]

export const unsigned = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...unsigned(Math.floor(value / 128))]
export const signed = (value: number): number[] =>
  value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(Math.floor(value / 128))]

export const TYPE = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const
export const END = 0x0b
export const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content]
export const named = (name: string): Code => [name.length, ...[...name].map((letter) => letter.charCodeAt(0))]
export const get = (local: number): Code => [0x20, ...unsigned(local)]
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)]
export const i32 = (value: number): Code => [0x41, ...signed(value)]

/** A function that is being written. Values are locals of one type, each written once. */
export class Writer {
  readonly code: number[] = []
  readonly #params: number
  readonly #type: number
  #locals = 0
  constructor(params: number, type: number) {
    this.#params = params
    this.#type = type
  }
  put(...parts: readonly Code[]): void {
    for (const part of parts) for (const byte of part) this.code.push(byte)
  }
  keep(value: Code): Code {
    const local = this.#params + this.#locals++
    this.put(set(local, value))
    return get(local)
  }
  body(): Code {
    const locals = this.#locals === 0 ? [0] : [1, ...unsigned(this.#locals), this.#type]
    return [...unsigned(locals.length + this.code.length + 1), ...locals, ...this.code, END]
  }
}

/** What every runtime has and TypeScript's library without a browser does not name. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}
/** What the module exports. Throws where the runtime does not know one of its instructions. */
export const instantiate = (code: Uint8Array): unknown => new WebAssembly.Instance(new WebAssembly.Module(code)).exports
