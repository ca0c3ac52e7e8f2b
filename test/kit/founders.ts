// Founders of networks for tests, each with keys that follow from a number.
import { bytesToHex, type Hex } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { nameOf } from '../../node/keystore.ts'
import { peerIdOf } from '../../p2p/identity.ts'

export interface TestFounder {
  readonly secrets: { readonly operator: Uint8Array; readonly validator: Uint8Array; readonly p2p: Uint8Array }
  readonly address: Hex
  readonly blsKey: Hex
  readonly peerId: string
  readonly p2pAddress: string
}

const secretOf = (seed: number, kind: number): Uint8Array => {
  const secret = keccak(Uint8Array.of(3, seed >> 8, seed & 255, kind))
  secret[0] = 1 // below the order of either curve
  return secret
}

export async function founder(seed: number): Promise<TestFounder> {
  const secrets = { operator: secretOf(seed, 0), validator: secretOf(seed, 1), p2p: secretOf(seed, 2) }
  const peerId = await peerIdOf(secrets.p2p)
  return {
    secrets,
    address: bytesToHex(nameOf('account', secrets.operator)),
    blsKey: bytesToHex(nameOf('validator', secrets.validator)),
    peerId,
    p2pAddress: `/ip4/127.0.0.1/tcp/${30_000 + seed}/p2p/${peerId}`,
  }
}
