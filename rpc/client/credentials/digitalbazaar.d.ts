// Types of packages that have none: what we use of them and no more.
declare module '@digitalbazaar/credentials-context' {
  export const contexts: ReadonlyMap<string, unknown>
}
declare module '@digitalbazaar/vc' {
  type Loader = (url: string) => Promise<{ documentUrl: string; document: unknown }>
  interface Result {
    readonly verified: boolean
    readonly error?: unknown
    readonly results?: readonly { readonly error?: unknown }[]
  }
  export function issue(options: object): Promise<Record<string, unknown>>
  export function verifyCredential(options: object): Promise<Result>
  export function signPresentation(options: object): Promise<Record<string, unknown>>
}
declare module '@digitalbazaar/data-integrity' {
  export class DataIntegrityProof {
    constructor(options: object)
  }
}
declare module '@digitalbazaar/eddsa-rdfc-2022-cryptosuite' {
  export const cryptosuite: { canonize(input: object, options: object): Promise<string> }
}
declare module 'jsonld-signatures' {
  interface Result {
    readonly verified: boolean
    readonly error?: unknown
    readonly results?: readonly { readonly error?: unknown }[]
  }
  const jsigs: {
    verify(document: object, options: object): Promise<Result>
    readonly purposes: { readonly AuthenticationProofPurpose: new (options: object) => object }
  }

  export = jsigs
}
