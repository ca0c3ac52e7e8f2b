// The key of an issuer or holder of credentials: Ed25519, 32 bytes, as 64 hex digits in a file for its owner alone. Owns how it is read; what
// it may sign, its DID's document says.
import { hexToBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { didOf } from '../rpc/client/credentials/dids.ts'
import { type SigningKey, signingKey } from '../rpc/client/credentials/keys.ts'
import { readKeyFile } from './keystore.ts'

export const IssuerErrors = defineErrors('ISSUER', {
  KEY_ID: {
    text: (d: { keyId: string }) =>
      `${d.keyId || 'nothing'} is no key: expected its DID URL, did:novacron:<network>:0x<address>#<key>`,
  },
  SECRET: { text: (d: { file: string }) => `${d.file} is no credential key: expected 64 hex digits` },
})

/** Throws ISSUER_* and KEYSTORE_FILE. */
export async function readCredentialKey(file: string, keyId: string): Promise<SigningKey> {
  if (!/^did:[a-z0-9]+:.+#.+$/.test(keyId) || didOf(keyId) === keyId)
    throw new NodeError(IssuerErrors.KEY_ID, { keyId })
  const digits = (await readKeyFile(file)).trim().replace(/^0x/, '')
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) throw new NodeError(IssuerErrors.SECRET, { file })
  return signingKey(keyId, 'EdDSA', hexToBytes(`0x${digits}`))
}
