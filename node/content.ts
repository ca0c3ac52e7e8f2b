// Content as the chain knows it: a digest and a codec, never a CID's text. Owns the errors of everything that stores content, and how
// content is sealed with a key that only its owner has.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { concat, equalBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export interface ContentRef {
  /** 32 bytes, sha2-256 of the one block or of the root. */
  readonly digest: Uint8Array
  /** 0x55 one block of bytes, 0x70 a file in pieces (UnixFS). */
  readonly codec: number
}
export interface Stored extends ContentRef {
  readonly cid: string
  /** Nodes that have it pinned, this one included. */
  readonly replicas: number
}

export const ContentErrors = defineErrors('CONTENT', {
  CID: { rpc: -32602, text: (d: { cid: string }) => `${d.cid} is no CID with a sha2-256 digest` },
  CODEC: {
    rpc: -32602,
    text: (d: { codec: number }) => `content has the codec 0x55 (raw) or 0x70 (dag-pb), not 0x${d.codec.toString(16)}`,
  },
  PEER: { text: (d: { address: string }) => `content.peers: ${d.address} is no multiaddr that ends in /p2p/<peer id>` },
  NO_FILE: {
    rpc: -32602,
    text: (d: { cid: string }) => `${d.cid} is no file: a directory, or bytes that only call themselves one`,
  },
  TOO_LARGE: {
    rpc: -32602,
    text: (d: { bytes: number; max: number }) => `content of ${d.bytes} bytes, at most ${d.max} are taken`,
  },
  MISSING: {
    rpc: -32000,
    text: (d: { cid: string; waitedMs: number }) => `nobody has ${d.cid} (waited ${d.waitedMs} ms)`,
  },
  STALLED: {
    rpc: -32000,
    text: (d: { cid: string; waitedMs: number; blocks: number }) =>
      `after ${d.blocks} blocks of ${d.cid} nothing came for ${d.waitedMs} ms: who has it is gone or slow; try again`,
  },
  CORRUPT: { rpc: -32000, text: (d: { cid: string }) => `the stored bytes of ${d.cid} are not what its CID says` },
  MISMATCH: {
    rpc: -32000,
    text: (d: { cid: string; chain: string }) => `${d.cid} is not what the chain has: ${d.chain}`,
  },
  SEALED: { rpc: -32000, text: () => 'content is not sealed with this key, or was changed' },
  KEY: { rpc: -32602, text: (d: { bytes: number }) => `a key has 32 bytes, not ${d.bytes}` },
  STORE: {
    text: (d: { dir: string; reason: string }) =>
      `the content in ${d.dir} cannot be opened (${d.reason}): is its node running? Stop it first`,
  },
  BACKUP: { text: (d: { reason: string }) => `the backup is not whole: ${d.reason}` },
  OFF: { rpc: -32000, text: () => 'this node holds no content: set content.enabled to on' },
})

/** "NVC1", nonce, AES-256-GCM, tag. A nonce by chance, so the same content sealed twice is two contents. */
const MAGIC = new TextEncoder().encode('NVC1')
const NONCE = 12
const TAG = 16

/** Throws CONTENT_KEY. */
export function seal(content: Uint8Array, key: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', checked(key), nonce).setAAD(MAGIC)
  return concat(MAGIC, nonce, cipher.update(content), cipher.final(), cipher.getAuthTag())
}

/** Throws CONTENT_KEY and CONTENT_SEALED. */
export function open(sealed: Uint8Array, key: Uint8Array): Uint8Array {
  const head = MAGIC.length + NONCE
  if (sealed.length < head + TAG || !equalBytes(sealed.subarray(0, MAGIC.length), MAGIC))
    throw new NodeError(ContentErrors.SEALED, undefined)
  const decipher = createDecipheriv('aes-256-gcm', checked(key), sealed.subarray(MAGIC.length, head))
    .setAAD(MAGIC)
    .setAuthTag(sealed.subarray(-TAG))
  const text = decipher.update(sealed.subarray(head, -TAG))
  try {
    return concat(text, decipher.final())
  } catch (cause) {
    throw new NodeError(ContentErrors.SEALED, undefined, { cause })
  }
}
const checked = (key: Uint8Array): Uint8Array => {
  if (key.length !== 32) throw new NodeError(ContentErrors.KEY, { bytes: key.length })
  return key
}
