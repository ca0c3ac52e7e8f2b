// Development networks: keys that everybody knows, from one mnemonic, and the genesis they make. Nothing here is a secret.
import { SecretKey } from '@chainsafe/blst'
import { HDNodeWallet, Mnemonic } from 'ethers'
import { bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { possessionBytes } from '../chain/types/vote.ts'

const mnemonic = Mnemonic.fromPhrase('test test test test test test test test test test test junk')

/** EIP-2334, path m/12381/3600/i/0/0. */
export const developmentSecret = (index: number): Uint8Array =>
  [12_381, 3_600, index, 0, 0]
    .reduce((key, i) => key.deriveChildEip2333(i), SecretKey.deriveMasterEip2333(hexToBytes(mnemonic.computeSeed())))
    .toBytes()

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
    const key = curves().blsPublicKey(developmentSecret(i))
    return {
      address: address.toLowerCase(),
      blsKey: bytesToHex(key),
      proofOfPossession: bytesToHex(curves().blsSign(developmentSecret(i), possessionBytes(key))),
      power: 1_000_000,
    }
  })
  return `${JSON.stringify(json, null, 2)}\n`
}
