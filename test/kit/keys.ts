// Keys of development networks: everything comes from the well-known mnemonic.
import { SecretKey } from '@chainsafe/blst'
import { Mnemonic } from 'ethers'
import { hexToBytes } from '../../chain/base/bytes.ts'

const seed = hexToBytes(
  Mnemonic.fromPhrase('test test test test test test test test test test test junk').computeSeed(),
)

/** EIP-2334, path m/12381/3600/i/0/0. */
export const devValidatorSecret = (index: number): Uint8Array =>
  [12_381, 3_600, index, 0, 0]
    .reduce((key, i) => key.deriveChildEip2333(i), SecretKey.deriveMasterEip2333(seed))
    .toBytes()
