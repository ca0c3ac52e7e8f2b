// DIDs and DID URLs of this method as text, and the times in them. Owns the syntax: did:novacron:<network>:0x<40 hex digits in lower
// case>, one spelling for each. Runs in a browser.
import { type Address, asAddress, bytesToHex, hexToBytes } from '../../base/bytes.ts'

const METHOD = 'novacron'
/** Of a DID URL that is looked at at all; the longest DID that exists has 92 characters. */
const URL_MAX = 2_048
/** Networks are named as in CAIP-2. */
const NETWORK = /^[-a-z0-9]{3,32}$/
export const isNetworkName = (name: string): boolean => NETWORK.test(name)

/** As DID Core and DID Resolution name them. */
export type DidError =
  | ('invalidDid' | 'invalidDidUrl' | 'methodNotSupported' | 'notFound')
  | ('representationNotSupported' | 'internalError')

export interface Did {
  readonly did: string
  readonly network: string
  readonly identity: Address
}
/** What of a DID is asked for: the newest version, one by its number, or the one in force at a time. */
export type VersionRef =
  | { readonly kind: 'newest' }
  | { readonly kind: 'id'; readonly version: number }
  | { readonly kind: 'time'; readonly time: number }
export type ParsedDid =
  | { readonly ok: true; readonly did: Did; readonly version: VersionRef; readonly fragment: string | null }
  | { readonly ok: false; readonly error: DidError; readonly why: string }

export const didOf = (network: string, identity: Address): string => `did:${METHOD}:${network}:${bytesToHex(identity)}`

const refused = (error: DidError, why: string): ParsedDid => ({ ok: false, error, why })

/** Of any DID: its method, the rest up to path, query or fragment, and these. */
const DID = /^did:([a-z0-9]+):((?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}))([/?#].*)?$/
const IDENTITY = /^0x[0-9a-f]{40}$/
/** RFC 3986, what may stand in a query or a fragment. */
const QUERY = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*$/

/** A DID, or a DID URL with versionId or versionTime in its query and perhaps a fragment. Anything else is refused, with the standard's error. */
export function parseDid(text: string): ParsedDid {
  if (text.length > URL_MAX) return refused('invalidDid', `${text.length} characters, at most ${URL_MAX}`)
  const [, method, specific, tail = ''] = DID.exec(text) ?? []
  if (method === undefined || specific === undefined) return refused('invalidDid', 'expected did:<method>:<identifier>')
  if (method !== METHOD) return refused('methodNotSupported', `the method is ${METHOD} here, not ${method}`)
  const [network, address, ...more] = specific.split(':')
  if (network === undefined || address === undefined || more.length > 0 || !isNetworkName(network))
    return refused('invalidDid', `expected did:${METHOD}:<network>:0x<address>`)
  if (!IDENTITY.test(address)) return refused('invalidDid', 'expected 0x and 40 hex digits in lower case')
  const did = { did: `did:${METHOD}:${specific}`, network, identity: asAddress(hexToBytes(address)) }
  const [, path = '', query = '', fragment = null] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(tail) ?? []
  if (path !== '') return refused('invalidDidUrl', 'DIDs of this method have no paths')
  if (!QUERY.test(query) || (fragment !== null && !QUERY.test(fragment)))
    return refused('invalidDidUrl', 'characters that no URL has')
  const version = versionIn(query)
  return typeof version === 'string' ? refused('invalidDidUrl', version) : { ok: true, did, version, fragment }
}

/** Or why it is none. Parameters that we do not know are passed over, as DID Core asks. */
const versionIn = (query: string): VersionRef | string => {
  const given = query.split('&').map((each) => {
    const at = each.indexOf('=')
    return at < 0 ? ([each, ''] as const) : ([each.slice(0, at), each.slice(at + 1)] as const)
  })
  const known = given.filter(([name]) => name === 'versionId' || name === 'versionTime')
  const [first] = known
  if (first === undefined) return { kind: 'newest' }
  if (known.length > 1) return 'expected one of versionId and versionTime, once'
  // A query may write the colons of a time as %3A.
  return versionRef({ [first[0]]: first[1].replaceAll(/%3a/gi, ':') })
}

/** From the options of DID Resolution; a sentence where they are none. */
export function versionRef(options: {
  readonly versionId?: unknown
  readonly versionTime?: unknown
}): VersionRef | string {
  const { versionId, versionTime } = options
  if (versionId !== undefined && versionTime !== undefined) return 'expected one of versionId and versionTime'
  if (versionId !== undefined) {
    const version = typeof versionId === 'string' && /^(0|[1-9][0-9]{0,9})$/.test(versionId) ? Number(versionId) : null
    if (version === null || version >= NEWEST) return 'versionId: expected a number in decimal'
    return { kind: 'id', version }
  }
  if (versionTime === undefined) return { kind: 'newest' }
  const time = typeof versionTime === 'string' ? secondsOf(versionTime) : null
  return time === null ? 'versionTime: expected a time such as 2026-01-31T12:00:00Z' : { kind: 'time', time }
}
/** Stands for the newest version in `documentOf`. */
export const NEWEST = 2 ** 32 - 1

/** 9999-12-31T23:59:59Z: the last second that four digits of a year can name. */
export const TIME_MAX = 253_402_300_799
const DAY_S = 86_400

/** Seconds since 1970 as an XML datetime in UTC. */
export function isoTime(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const [days, rest] = [Math.floor(seconds / DAY_S), seconds % DAY_S]
  const { year, month, day } = dateOf(days)
  const clock = [Math.floor(rest / 3_600), Math.floor(rest / 60) % 60, rest % 60].map(two).join(':')
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${clock}Z`
}

/** The other way round; fractions of a second are cut. null for what is no time in UTC from 1970 to 9999. */
export function secondsOf(text: string): number | null {
  const found = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:Z|\+00:00)$/.exec(text)
  if (found === null) return null
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1).map(Number)
  if (year < 1970 || hour > 23 || minute > 59 || second > 59) return null
  const days = daysOf(year, month, day)
  const back = dateOf(days)
  if (back.year !== year || back.month !== month || back.day !== day) return null
  return days * DAY_S + hour * 3_600 + minute * 60 + second
}

/** Years begin in March, so that the leap day is the last of one; eras of 400 years are equally long. */
const ERA_DAYS = 146_097
const EPOCH_DAY = 719_468
const dateOf = (days: number): { readonly year: number; readonly month: number; readonly day: number } => {
  const shifted = days + EPOCH_DAY
  const era = Math.floor(shifted / ERA_DAYS)
  const inEra = shifted - era * ERA_DAYS
  const leaps = Math.floor(inEra / 1_460) - Math.floor(inEra / 36_524) + Math.floor(inEra / 146_096)
  const yearInEra = Math.floor((inEra - leaps) / 365)
  const inYear = inEra - (365 * yearInEra + Math.floor(yearInEra / 4) - Math.floor(yearInEra / 100))
  const fromMarch = Math.floor((5 * inYear + 2) / 153)
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  const day = inYear - Math.floor((153 * fromMarch + 2) / 5) + 1
  return { year: yearInEra + era * 400 + (month <= 2 ? 1 : 0), month, day }
}
const daysOf = (year: number, month: number, day: number): number => {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const inEra = shifted - era * 400
  const inYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return era * ERA_DAYS + inEra * 365 + Math.floor(inEra / 4) - Math.floor(inEra / 100) + inYear - EPOCH_DAY
}
