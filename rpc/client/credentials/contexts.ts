// JSON-LD contexts by name, none of which is ever fetched. Owns ours, which gives names to what the platform says of virtual machines,
// operators and tenants; W3C's come with their package.
import { contexts as w3c } from '@digitalbazaar/credentials-context'
import type { JsonObject } from './bounds.ts'

/** Nothing is served under it: whoever verifies has it from here, by its name. */
export const PLATFORM_CONTEXT = 'urn:novacron:credentials:v1'
const VOCABULARY = 'urn:novacron:credentials#'
const XSD = 'http://www.w3.org/2001/XMLSchema#'
const term = (name: string, type?: string): object => ({
  [name]: type === undefined ? `${VOCABULARY}${name}` : { '@id': `${VOCABULARY}${name}`, '@type': type },
})

const platform: JsonObject = {
  '@context': {
    '@protected': true,
    ...term('VmCredential'),
    ...term('OperatorCredential'),
    ...term('TenantCredential'),
    ...term('vmId'),
    ...term('imageDigest'),
    ...term('stateDigest'),
    ...term('operator', '@id'),
    ...term('tenant', '@id'),
    ...term('region'),
    ...term('role'),
    ...term('tier'),
    ...term('reputation', `${XSD}integer`),
    ...term('cpuCount', `${XSD}integer`),
    ...term('memoryMiB', `${XSD}integer`),
    ...term('storageGiB', `${XSD}integer`),
    ...term('attestedAt', `${XSD}dateTime`),
  },
}

const EXAMPLES_V2 = 'https://www.w3.org/ns/credentials/examples/v2'
/** The names that W3C's examples and test suites use: any term is one, as in its `undefined-terms`. */
const examples: JsonObject = { '@context': { '@vocab': 'https://www.w3.org/ns/credentials/examples#' } }

export type Contexts = ReadonlyMap<string, unknown>
/** Ours, W3C's, and what a caller trusts. */
export const contextsWith = (own: Readonly<Record<string, JsonObject>>): Contexts =>
  new Map<string, unknown>([...Object.entries(own), ...w3c, [EXAMPLES_V2, examples], [PLATFORM_CONTEXT, platform]])
