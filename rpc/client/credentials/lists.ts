// Fetches status lists that issuers publish, for programs under Node. Owns what is asked of their servers: https alone, no redirects, no more bytes
// than a list has, and no address of this machine or its network, by whatever name. What comes is believed only by its digest on chain.
import { lookup } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { NodeError } from '../../../chain/base/errors.ts'
import { credentialLimits } from './bounds.ts'
import { CredentialErrors, unreadable } from './errors.ts'
import type { ListFetch } from './status.ts'

/** For `createCredentials`. Rejects where nothing, or something else than a list, answers. */
export const fetchList: ListFetch = async (uri, signal) => {
  const url = URL.canParse(uri) ? new URL(uri) : null
  // An issuer chooses the URI: it must not make the verifier ask around in its own network.
  if (url === null || url.protocol !== 'https:' || url.username !== '' || !isName(url.hostname)) throw refused(uri)
  const response = await ask(url, signal)
  if (response.statusCode !== 200) {
    response.destroy()
    throw new NodeError(CredentialErrors.STATUS_UNAVAILABLE, { list: uri, reason: `HTTP ${response.statusCode}` })
  }
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of response as AsyncIterable<Uint8Array>) {
    sizeBytes += part.length
    if (sizeBytes > credentialLimits.documentBytes) {
      response.destroy()
      throw unreadable(`over ${credentialLimits.documentBytes} bytes of list`)
    }
    parts.push(part)
  }
  return new TextDecoder().decode(Buffer.concat(parts))
}

const refused = (uri: string): NodeError =>
  unreadable(
    `nothing is fetched from ${uri.slice(0, 200)}: expected https and the name of a host that everybody reaches`,
  )
/** Addresses by number need no look-up, and so would pass by it; names of one network are not even looked up. */
const isName = (host: string): boolean => !host.startsWith('[') && isIP(host) === 0 && !LOCAL.test(host)
const LOCAL = /(^|\.)(localhost|local|internal)\.?$/

const ask = (url: URL, signal: AbortSignal): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const headers = { accept: 'application/json, text/plain' }
    get(url, { signal, lookup: publicLookup, headers, agent: false }, resolve).on('error', reject)
  })

/** What a name stands for is asked once, and the connection goes there: between two questions it could be made to mean another. */
export const publicLookup: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    const [first] = found ?? []
    if (error !== null) done(error, '')
    else if (first === undefined || !found.every(({ address }) => isPublic(address))) done(refused(host), '')
    else if (options.all === true) done(null, found)
    else done(null, first.address, first.family)
  })
}

/** What is routed to nobody but this machine, its network or a group (IANA's registries of special-purpose addresses). */
const SPECIAL: readonly (readonly [net: string, bits: number])[] = [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const),
  ...([
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
  ] as const),
  ...([
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const),
]
const special = new BlockList()
for (const [net, bits] of SPECIAL) special.addSubnet(net, bits, 'ipv4')
/** The one block that is given to hosts of the internet; the others are for this network, for groups, or stand for addresses of IPv4. */
const global = new BlockList()
global.addSubnet('2000::', 3, 'ipv6')
const embedding = new BlockList()
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
] as const)
  embedding.addSubnet(net, bits, 'ipv6')

export const isPublic = (address: string): boolean => {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4')
    case 6:
      return global.check(address, 'ipv6') && !embedding.check(address, 'ipv6')
    default:
      return false
  }
}
