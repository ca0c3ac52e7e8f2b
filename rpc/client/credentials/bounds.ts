// The door: how large, how deep and of which parts a document may be before any library sees it. Owns these bounds, and the refusal
// of what JSON can say and no signature covers. Knows no cryptography.
import { NodeError } from '../../../chain/base/errors.ts'
import { CredentialErrors, malformed } from './errors.ts'

export type JsonObject = { readonly [key: string]: unknown }
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const credentialLimits = {
  /** A presentation of a dozen credentials with portraits; canonicalisation of so much takes a second. */
  documentBytes: 256 * 1024,
  /** Real credentials have six levels; the libraries recurse. */
  depth: 24,
  /** Keys and elements together: each is a statement to sort and hash. */
  values: 4_096,
  /** Credentials of one presentation, each of which is verified. */
  credentials: 32,
} as const

/** What a JSON text or value holds, as a value of our own. Throws CREDENTIAL_TOO_LARGE, TOO_DEEP, TOO_COMPLEX and MALFORMED. */
export function boundedJson(input: unknown): unknown {
  if (typeof input !== 'string') {
    walk(input)
    return structuredClone(input) // whoever keeps the original may change it while it is judged
  }
  boundedText(input)
  refuseDeep(input)
  let value: unknown
  try {
    value = JSON.parse(input)
  } catch (cause) {
    throw malformed('not JSON', cause)
  }
  walk(value)
  return value
}

/** Throws CREDENTIAL_TOO_LARGE. */
export function boundedText(text: string): string {
  if (text.length > credentialLimits.documentBytes) throw tooLarge(text.length)
  return text
}

/** JSON.parse recurses, so depth is counted first, outside strings. Throws CREDENTIAL_TOO_DEEP. */
export function refuseDeep(text: string): void {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++
    } else if (char === '{' || char === '[') {
      if (++depth > credentialLimits.depth) throw tooDeep()
    } else if (char === '}' || char === ']') depth--
  }
}

const tooLarge = (sizeBytes: number): NodeError =>
  new NodeError(CredentialErrors.TOO_LARGE, { sizeBytes, maximum: credentialLimits.documentBytes })
const tooDeep = (): NodeError => new NodeError(CredentialErrors.TOO_DEEP, { maximum: credentialLimits.depth })

/** Without recursion, for a value that somebody else made may be deep, or contain itself. */
const walk = (root: unknown): void => {
  let values = 0
  let sizeBytes = 0
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value: root, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next
    if (++values > credentialLimits.values)
      throw new NodeError(CredentialErrors.TOO_COMPLEX, { what: `over ${credentialLimits.values} values` })
    if (typeof value === 'string') sizeBytes += wellFormed(value).length
    else if (typeof value === 'object' && value !== null) {
      if (depth >= credentialLimits.depth) throw tooDeep()
      if (!Array.isArray(value) && !isPlain(value)) throw malformed('an object that is no JSON')
      for (const [key, inner] of Object.entries(value)) {
        if (!Array.isArray(value)) sizeBytes += nameOf(key).length
        open.push({ value: inner, depth: depth + 1 })
        if (open.length > credentialLimits.values)
          throw new NodeError(CredentialErrors.TOO_COMPLEX, { what: `over ${credentialLimits.values} values` })
      }
    } else if (value !== null && typeof value !== 'boolean' && !(typeof value === 'number' && Number.isFinite(value)))
      throw malformed(`a value that is no JSON: ${typeof value}`)
    if (sizeBytes > credentialLimits.documentBytes) throw tooLarge(sizeBytes)
  }
}
/** Halves of a character all become one in UTF-8, so a signature would not tell them apart. */
const wellFormed = (text: string): string => {
  if (!text.isWellFormed()) throw malformed('text with half a character')
  return text
}
/** Whoever copies an object key by key, as libraries do, would lose this one. */
const nameOf = (key: string): string => {
  if (key === '__proto__') throw malformed('a name that is none: __proto__')
  return wellFormed(key)
}
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Refuses what JSON-LD reads otherwise than people and programs do. The signature is over the statements that a document makes, not
 * over its text, so a part that makes none could be added by anybody, one that redefines terms could change what all others say, and one
 * that says the same in other words would hide it from whoever looks for the term: contexts that are not known by name, or stand anywhere
 * but on top of a document; keywords; names written as IRIs; one thing described in two places; null and empty lists, which JSON-LD drops;
 * names of blank nodes, which it replaces; numbers that it rounds. Throws CREDENTIAL_CONTEXT, INLINE_CONTEXT, TERM and MALFORMED.
 */
export function checkTerms(document: JsonObject, knows: (context: string) => boolean): void {
  checkDocument(document, knows, '')
  const inner: readonly unknown[] = [document.verifiableCredential].flat()
  for (const [i, each] of inner.entries()) if (isObject(each)) checkDocument(each, knows, `verifiableCredential[${i}].`)
}

interface Member {
  readonly at: string
  readonly value: unknown
}
const checkDocument = (document: JsonObject, knows: (context: string) => boolean, prefix: string): void => {
  checkContext(document['@context'], knows)
  const described = new Set<unknown>([document.id])
  const open: Member[] = membersOf(document, prefix)
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { at, value } = next
    if (Array.isArray(value)) open.push(...itemsOf(value, at))
    else if (!isObject(value)) checkLiteral(value, at)
    else if (!CREDENTIAL.test(at)) {
      checkObject(value, at, described)
      open.push(...membersOf(value, `${at}.`))
    }
  }
}
/** A credential within a presentation is a document of its own. */
const CREDENTIAL = /^verifiableCredential(\[\d+\])?$/
/** Who issued or holds may be whom it is about, too. */
const PARTY = /^(verifiableCredential\[\d+\]\.)?(issuer|holder)$/

const checkLiteral = (value: unknown, at: string): void => {
  if (value === null) throw uncovered(`${at} is null`)
  if (typeof value === 'string' && value.startsWith('_:')) throw uncovered(`${at} names a blank node`)
  // It is signed with sixteen digits, as `toExponential` writes them, or as a whole number.
  const isExact = (one: number): boolean =>
    Number.isInteger(one) ? Number.isSafeInteger(one) : Number(one.toExponential(15)) === one
  if (typeof value === 'number' && !isExact(value)) throw uncovered(`${at} is a number of too many digits`)
}
const checkObject = (value: JsonObject, at: string, described: Set<unknown>): void => {
  if ('@context' in value) throw new NodeError(CredentialErrors.INLINE_CONTEXT, { at })
  if ('@value' in value && !('@language' in value || '@direction' in value))
    throw uncovered(`${at} is a value in other words`)
  if (value.id === undefined || PARTY.test(at)) return
  if (described.has(value.id)) throw uncovered(`${at} describes again what was described elsewhere`)
  described.add(value.id)
}
const itemsOf = (list: readonly unknown[], at: string): readonly Member[] => {
  if (list.length === 0) throw uncovered(`${at} is empty`)
  return list.map((value, i) => {
    if (Array.isArray(value)) throw uncovered(`${at}[${i}] is a list within a list`)
    return { at: `${at}[${i}]`, value }
  })
}
const membersOf = (value: JsonObject, prefix: string): Member[] =>
  Object.entries(value)
    .filter(([key]) => key !== '@context')
    .map(([key, inner]) => {
      if (key.startsWith('@') && !LITERAL.includes(key)) throw uncovered(`${prefix}${key} is a keyword of JSON-LD`)
      if (key.includes(':')) throw uncovered(`${prefix}${key} is an IRI in place of a term`)
      return { at: `${prefix}${key}`, value: inner }
    })
/** Texts in a language are written with these. */
const LITERAL = ['@value', '@language', '@direction']
const uncovered = (reason: string): NodeError => new NodeError(CredentialErrors.TERM, { reason })

export const CREDENTIALS_V2 = 'https://www.w3.org/ns/credentials/v2'
const checkContext = (context: unknown, knows: (context: string) => boolean): void => {
  const list: readonly unknown[] = Array.isArray(context) ? context : [context]
  for (const each of list) {
    if (isObject(each)) throw new NodeError(CredentialErrors.INLINE_CONTEXT, { at: '@context' })
    if (typeof each !== 'string') throw malformed('@context is no list of names')
    if (!knows(each)) throw new NodeError(CredentialErrors.CONTEXT, { context: each.slice(0, 200) })
  }
  if (list[0] !== CREDENTIALS_V2) throw new NodeError(CredentialErrors.CONTEXT, { context: String(list[0]) })
}
