// What of WebAssembly is used here: browsers and Node have it, and the types of neither are loaded.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports?: object) => { readonly exports: unknown }
  readonly Memory: new (size: { readonly initial: number }) => WasmMemory
}
interface WasmMemory {
  readonly buffer: ArrayBuffer
}
