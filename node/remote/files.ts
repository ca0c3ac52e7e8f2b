// The files by which a node reaches its signer, and a signer its validator. Owns reading them, as the operator placed them.

import type { X509Certificate } from 'node:crypto'
import { createPrivateKey } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { NodeError } from '../../chain/base/errors.ts'
import type { Config } from '../config.ts'
import { readKeyFile } from '../keystore.ts'
import { CertificateErrors, type Identity, PEM_MAX_BYTES, parseCertificates } from './certificates.ts'
import type { RemoteOptions } from './client.ts'

/** All certificates in a file. Throws CERTIFICATE_FILE. */
export function readCertificates(file: string, way: string): readonly X509Certificate[] {
  const refuse = (reason: string) => new NodeError(CertificateErrors.FILE, { file, reason })
  if (!existsSync(file)) throw refuse(`there is no such file; ${way}`)
  const { size } = statSync(file)
  if (size > PEM_MAX_BYTES) throw refuse(`${size} bytes, at most ${PEM_MAX_BYTES}`)
  return parseCertificates(readFileSync(file, 'utf8'), file)
}

/** A key and the certificate that is of it. Throws KEYSTORE_FILE where others can read the key, and CERTIFICATE_FILE. */
export async function readIdentity(keyFile: string, certificateFile: string, way: string): Promise<Identity> {
  const [certificate] = readCertificates(certificateFile, way)
  const key = await readKeyFile(keyFile)
  const refuse = (reason: string) => new NodeError(CertificateErrors.FILE, { file: certificateFile, reason })
  if (certificate === undefined) throw refuse('it is empty')
  if (!isOf(certificate, key)) throw refuse(`it is not of the key in ${keyFile}`)
  return { key, certificate: certificate.toString() }
}
const isOf = (certificate: X509Certificate, key: string): boolean => {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false // no key at all
  }
}

/** Host and port as a socket takes them; the configuration saw to it that both are there. */
export const placeIn = (url: string): { readonly host: string; readonly port: number } => {
  const { hostname, port } = new URL(url)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

/** Where the signer of a node's folder is, by its configuration. Throws as `readIdentity`. */
export async function remoteOf(
  dir: string,
  config: Config,
  choice: Pick<RemoteOptions, 'takesOver'>,
): Promise<RemoteOptions> {
  const url = config['validator.signerUrl']
  const way = `novachain signer pair --dir ${dir} makes it`
  return {
    ...{ url, ...placeIn(url), ...choice },
    identity: await readIdentity(
      resolve(dir, config['validator.signerKey']),
      resolve(dir, config['validator.signerCert']),
      way,
    ),
    signer: readCertificates(resolve(dir, config['validator.signerCa']), way),
  }
}
