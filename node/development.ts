// Development networks: keys that everybody knows, from one mnemonic, and the genesis they make. Nothing here is a secret.
import { hash, hkdfSync } from 'node:crypto'
import { HDNodeWallet, Mnemonic } from 'ethers'
import { bigintToFixed, bytesToBigint, bytesToHex, concat, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { possessionBytes } from '../chain/types/vote.ts'

const mnemonic = Mnemonic.fromPhrase('test test test test test test test test test test test junk')

/** m/12381/3600, the same for all: half of the work. */
let purpose: Uint8Array | null = null
/** EIP-2334, path m/12381/3600/i/0/0. */
export const developmentSecret = (index: number): Uint8Array => {
  purpose ??= [12_381, 3_600].reduce(childOf, secretFrom(hexToBytes(mnemonic.computeSeed())))
  return [index, 0, 0].reduce(childOf, purpose)
}

// EIP-2333, so that a development network needs no native library.

const CURVE_ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n
const LAMPORT_BYTES = 255 * 32
const sha256 = (data: Uint8Array): Uint8Array => hash('sha256', data, 'buffer')
const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, sizeBytes: number): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', ikm, salt, info, sizeBytes))

/** hkdf_mod_r. */
const secretFrom = (material: Uint8Array): Uint8Array => {
  let salt: Uint8Array = new TextEncoder().encode('BLS-SIG-KEYGEN-SALT-')
  for (;;) {
    salt = sha256(salt)
    const wide = hkdf(concat(material, Uint8Array.of(0)), salt, Uint8Array.of(0, 48), 48)
    const secret = bytesToBigint(wide) % CURVE_ORDER
    if (secret !== 0n) return bigintToFixed(secret, 32)
  }
}
/** derive_child_SK: by way of a Lamport key, whose 510 parts are hashed one by one. */
const childOf = (parent: Uint8Array, index: number): Uint8Array => {
  const salt = bigintToFixed(BigInt(index), 4)
  const halves = [parent, parent.map((byte) => ~byte)].map((ikm) => hkdf(ikm, salt, new Uint8Array(0), LAMPORT_BYTES))
  const parts = halves.flatMap((half) =>
    Array.from({ length: LAMPORT_BYTES / 32 }, (_, i) => sha256(half.subarray(32 * i, 32 * i + 32))),
  )
  return secretFrom(sha256(concat(...parts)))
}

export interface DevelopmentAccount {
  readonly address: string
  readonly privateKey: string
}
export const developmentAccounts = (count: number): DevelopmentAccount[] => {
  const root = HDNodeWallet.fromMnemonic(mnemonic, "m/44'/60'/0'/0")
  return Array.from({ length: count }, (_, i) => {
    const { address, privateKey } = root.deriveChild(i)
    return { address, privateKey }
  })
}

/** What each development validator bonds: 1,000,000 NOVA, the least. */
const STAKE_WEI = 10n ** 24n

/** genesis.json of the repository for these validators; the same choice makes the same genesis hash everywhere. */
export function developmentGenesis(
  text: string,
  choice: { readonly validators: number; readonly blockTimeMs: number | null; readonly chainId: number | null },
): string {
  const json = JSON.parse(text)
  if (choice.chainId !== null) json.config.chainId = choice.chainId
  if (choice.blockTimeMs !== null) json.novachain.blockTimeMs = choice.blockTimeMs
  const accounts = developmentAccounts(choice.validators)
  json.novachain.validators = accounts.map(({ address }, i) => {
    const secret = developmentSecret(i)
    const key = curves().blsPublicKey(secret)
    return {
      address: address.toLowerCase(),
      blsKey: bytesToHex(key),
      proofOfPossession: bytesToHex(curves().blsSign(secret, possessionBytes(key))),
      stake: `0x${STAKE_WEI.toString(16)}`,
    }
  })
  return `${JSON.stringify(json, null, 2)}\n`
}
