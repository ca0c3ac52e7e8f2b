// Fetches status lists that issuers publish. Owns what is asked of their servers: https alone, no redirects, no more bytes than a list has,
// and no address of this machine or its network by number. What comes is believed only by its digest on chain.
import { NodeError } from '../../../chain/base/errors.ts'
import { credentialLimits } from './bounds.ts'
import { CredentialErrors, unreadable } from './errors.ts'
import type { ListFetch } from './status.ts'

/** For `createCredentials`. Rejects where nothing, or something else than a list, answers. */
export const fetchList: ListFetch = async (uri, signal) => {
  const url = URL.canParse(uri) ? new URL(uri) : null
  // An issuer chooses the URI: it must not make the verifier ask around in its own network.
  const isNumber =
    url !== null && /^(\[|\d+\.\d+\.\d+\.\d+$|localhost$)|\.(local|internal|localhost)$/.test(url.hostname)
  if (url === null || url.protocol !== 'https:' || url.username !== '' || isNumber)
    throw unreadable(`nothing is fetched from ${uri.slice(0, 200)}: expected https and the name of a host`)
  const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json, text/plain' } })
  if (!response.ok)
    throw new NodeError(CredentialErrors.STATUS_UNAVAILABLE, { list: uri, reason: `HTTP ${response.status}` })
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  let text = ''
  for (let sizeBytes = 0; ; ) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done) return text + decoder.decode()
    sizeBytes += value.length
    if (sizeBytes > credentialLimits.documentBytes) {
      await reader?.cancel()
      throw unreadable(`over ${credentialLimits.documentBytes} bytes of list`)
    }
    text += decoder.decode(value, { stream: true })
  }
}
