// The certificates by which a validator and its signer know each other. Owns how one is made and read: each signs its own, and the other
// side has it on file, so that there is no authority that could let somebody else in.
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { concat } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'

export const CertificateErrors = defineErrors('CERTIFICATE', {
  FILE: {
    text: (d: { file: string; reason: string }) => `${d.file} holds no certificate that is accepted: ${d.reason}`,
  },
})

export interface Identity {
  /** PEM, PKCS #8. */
  readonly key: string
  /** PEM, X.509. */
  readonly certificate: string
}

/** Ed25519, self-signed, without an end: who is let in no more is taken off the other side's file. `name` is plain ASCII. */
export function makeIdentity(name: string): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
  const names = sequence(der(TAG.set, sequence(der(TAG.oid, COMMON_NAME), der(TAG.utf8, bytes(name)))))
  const validity = sequence(
    der(TAG.utcTime, bytes('200101000000Z')),
    der(TAG.generalizedTime, bytes('99991231235959Z')),
  )
  const version3 = der(TAG.version, der(TAG.integer, Uint8Array.of(2)))
  const body = sequence(version3, der(TAG.integer, serial()), ED25519, names, validity, names, spki)
  const signature = der(TAG.bits, Uint8Array.of(0), new Uint8Array(sign(null, body, privateKey)))
  return {
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    certificate: new X509Certificate(sequence(body, ED25519, signature)).toString(),
  }
}

// What of DER a certificate of this one form takes; node:crypto reads certificates and makes none.

const TAG = {
  ...{ integer: 0x02, bits: 0x03, oid: 0x06, utf8: 0x0c, utcTime: 0x17, generalizedTime: 0x18 },
  ...{ sequence: 0x30, set: 0x31, version: 0xa0 },
}
const der = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const content = concat(...parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return concat(Uint8Array.of(tag, ...size), content)
}
const sequence = (...parts: readonly Uint8Array[]): Uint8Array => der(TAG.sequence, ...parts)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const COMMON_NAME = Uint8Array.of(0x55, 4, 3)
const ED25519 = sequence(der(TAG.oid, Uint8Array.of(0x2b, 0x65, 0x70)))
/** Positive, and without a leading zero. */
const serial = (): Uint8Array => {
  const [first = 0, ...rest] = randomBytes(16)
  return Uint8Array.of((first & 0x3f) | 0x40, ...rest)
}

/** Beyond it a file holds something else. */
export const PEM_MAX_BYTES = 64 * 1024
const CERTIFICATES_MAX = 8

/** All certificates of a PEM file, one at least. Throws CERTIFICATE_FILE. */
export function parseCertificates(text: string, file: string): readonly X509Certificate[] {
  const refuse = (reason: string) => new NodeError(CertificateErrors.FILE, { file, reason })
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (found.length === 0) throw refuse('there is no BEGIN CERTIFICATE in it')
  if (found.length > CERTIFICATES_MAX) throw refuse(`${found.length} certificates, at most ${CERTIFICATES_MAX}`)
  return found.map((pem) => {
    try {
      return new X509Certificate(pem)
    } catch {
      throw refuse('a certificate in it cannot be read')
    }
  })
}

/** Exactly one of these: being signed by one of them is not enough. */
export const isPinned = (shown: X509Certificate | undefined, pinned: readonly X509Certificate[]): boolean =>
  shown !== undefined && pinned.some(({ raw }) => raw.equals(shown.raw))
