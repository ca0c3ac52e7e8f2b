// What a back end does with the did module: gives its account keys, resolves any DID. Runs in a browser.
import { NodeError } from '../../chain/base/errors.ts'
import { abi } from '../../chain/native/did/abi.ts'
import { KeyType, Purpose } from '../../chain/native/did/document.ts'
import type { DidResolution } from '../../chain/native/did/resolve.ts'
import { bindContract, ContractErrors, providerOf, type Runner } from './contract.ts'
import { createDidResolver, DID_MODULE, type ResolveOptions } from './did.ts'
import { addressOf, countOf, hexOf } from './values.ts'

export interface DidKeyInput {
  readonly id: string
  readonly type: keyof typeof KeyType
  /** 0x text, encoded as IDid.sol says for its type. */
  readonly publicKey: string
  readonly purposes: readonly (keyof typeof Purpose)[]
  /** Seconds; without end where it is not given. */
  readonly validUntil?: number
}

export interface IdentityClient {
  /** The signer's DID with these keys set, each in a transaction of its own. Without keys nothing is sent: every address has a DID. */
  createDid(keys?: readonly DidKeyInput[]): Promise<string>
  /** What is wrong with a DID is in the result, as DID Resolution has it. Throws what the provider throws. */
  resolveDid(did: string, options?: ResolveOptions): Promise<DidResolution>
}

export function identityClient(runner: Runner): IdentityClient {
  const did = bindContract({ abi, at: DID_MODULE, runner })
  return {
    async createDid(keys = []) {
      if (!('getAddress' in runner)) throw new NodeError(ContractErrors.NO_SIGNER, { call: 'createDid' })
      const identity = addressOf('signer', await runner.getAddress())
      for (const { id, type, publicKey, purposes, validUntil = 0 } of keys)
        await did.send(
          'setKey',
          identity,
          id,
          BigInt(KeyType[type]),
          hexOf('publicKey', publicKey),
          BigInt(purposes.reduce((sum, purpose) => sum | Purpose[purpose], 0)),
          countOf('validUntil', validUntil, 64),
        )
      const [text] = await did.read('didOf', identity)
      return text
    },
    async resolveDid(text, options) {
      const provider = providerOf(runner)
      const send = (method: string, params: unknown[]): Promise<unknown> =>
        'send' in provider && typeof provider.send === 'function'
          ? provider.send(method, params)
          : Promise.reject(new NodeError(ContractErrors.NO_PROVIDER, undefined))
      return createDidResolver({ send })(text, options)
    },
  }
}
