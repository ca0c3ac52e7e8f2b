// The key of an issuer or holder of credentials: Ed25519, 32 bytes, as 64 hex digits in a file for its owner alone. Owns how it is read; what
// it may sign, its DID's document says. And the account that controls the issuer's DID: owns that its transactions go one after another.
import { setTimeout as delay } from 'node:timers/promises'
import { JsonRpcApiProvider, type JsonRpcError, type JsonRpcPayload, type JsonRpcResult, Wallet } from 'ethers'
import { bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { abi } from '../chain/native/did/abi.ts'
import { bindContract } from '../rpc/client/contract.ts'
import { didOf } from '../rpc/client/credentials/dids.ts'
import { type SigningKey, signingKey } from '../rpc/client/credentials/keys.ts'
import type { Entry } from '../rpc/client/credentials/status.ts'
import { DID_MODULE, type Provider } from '../rpc/client/did.ts'
import { readKeyFile } from './keystore.ts'

export const IssuerErrors = defineErrors('ISSUER', {
  KEY_ID: {
    text: (d: { keyId: string }) =>
      `${d.keyId || 'nothing'} is no key: expected its DID URL, did:novacron:<network>:0x<address>#<key>`,
  },
  BUSY: { text: (d: { waiting: number }) => `${d.waiting} statuses wait to be set: ask again` },
  LATE: { text: (d: { waitedMs: number }) => `it is in no block after ${d.waitedMs} ms` },
  SECRET: { text: (d: { file: string }) => `${d.file} is no credential key: expected 64 hex digits` },
})

/** Sets a status, and answers once that is in a block. Throws CONTRACT_*, ISSUER_BUSY and ISSUER_LATE. */
export type StatusWriter = (entry: Entry, value: boolean) => Promise<void>

/** Writers that wait their turn. */
const WAITING_MAX = 64
const POLL_MS = 250
const PATIENCE_MS = 60_000

/** Of an account of 32 bytes secret. One transaction at a time, so that no two have one nonce. */
export function statusWriter(provider: Provider, secret: Uint8Array): StatusWriter {
  const runner = new Wallet(bytesToHex(secret), new Inside(provider))
  const did = bindContract({ abi, at: DID_MODULE, runner })
  let [last, waiting]: [Promise<unknown>, number] = [Promise.resolve(), 0]
  return async ({ list, index }, value) => {
    if (waiting >= WAITING_MAX) throw new NodeError(IssuerErrors.BUSY, { waiting })
    waiting++
    const turn = last.then(() => Promise.race([did.send('setStatus', list, BigInt(index), value), tooLate()]))
    last = turn.catch(() => {}).finally(() => waiting--)
    await turn
  }
}
/** A network that stands still keeps nobody waiting for ever; the transaction may still come into a block. */
const tooLate = async (): Promise<never> => {
  await delay(PATIENCE_MS, undefined, { ref: false })
  throw new NodeError(IssuerErrors.LATE, { waitedMs: PATIENCE_MS })
}
/** The node of this process, as ethers would ask one elsewhere. */
class Inside extends JsonRpcApiProvider {
  readonly #provider: Provider
  constructor(provider: Provider) {
    super(undefined, { cacheTimeout: -1, batchMaxCount: 1 })
    this.#provider = provider
    this._start()
  }
  override get pollingInterval(): number {
    return POLL_MS
  }
  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<(JsonRpcResult | JsonRpcError)[]> {
    return Promise.all(
      [payload].flat().map(async ({ id, method, params }) => {
        const answer = this.#provider.send(method, Array.isArray(params) ? params : [])
        return answer.then((result) => ({ id, result }), failed(id))
      }),
    )
  }
}
/** As a node's JSON-RPC says it, so that ethers finds a revert's data. */
const failed =
  (id: number) =>
  (error: unknown): JsonRpcError => {
    const data: { readonly output?: unknown } =
      error instanceof NodeError && typeof error.data === 'object' && error.data !== null ? error.data : {}
    const message = error instanceof Error ? error.message : String(error)
    return { id, error: { code: data.output === undefined ? -32_000 : 3, message, data: data.output } }
  }

/** Throws ISSUER_* and KEYSTORE_FILE. */
export async function readCredentialKey(file: string, keyId: string): Promise<SigningKey> {
  if (!/^did:[a-z0-9]+:.+#.+$/.test(keyId) || didOf(keyId) === keyId)
    throw new NodeError(IssuerErrors.KEY_ID, { keyId })
  const digits = (await readKeyFile(file)).trim().replace(/^0x/, '')
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) throw new NodeError(IssuerErrors.SECRET, { file })
  return signingKey(keyId, 'EdDSA', hexToBytes(`0x${digits}`))
}
