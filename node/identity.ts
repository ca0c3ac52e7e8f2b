// The file of a node's identity among peers. Not encrypted: who takes it can pretend to be this peer, and sign nothing.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { loadConfig } from './config.ts'

export const IdentityErrors = defineErrors('IDENTITY', {
  KEY: {
    text: (d: { file: string }) =>
      `${d.file} does not hold 0x and 64 hex digits: delete it for a new identity among peers, or restore it`,
  },
})

/** Where the identity of a folder lies, whether or not `init` has run there. */
export const identityFile = (dir: string): string =>
  resolve(dir, loadConfig(join(dir, 'config.toml'), {}, {})['p2p.keyFile'])

/** The seed of the ed25519 key: 32 bytes in hex, made where there is none. Throws IDENTITY_KEY. */
export const p2pKey = (file: string): Uint8Array => {
  if (!existsSync(file)) {
    const secret = randomBytes(32)
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, `${bytesToHex(secret)}\n`, { mode: 0o600, flag: 'wx' })
    return secret
  }
  const text = readFileSync(file, 'utf8').trim()
  if (!/^0x[0-9a-f]{64}$/.test(text)) throw new NodeError(IdentityErrors.KEY, { file })
  return hexToBytes(text)
}
