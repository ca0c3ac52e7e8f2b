// Credentials: what issuing, verifying and presenting costs in each form, warm, with a chain that answers at once. CPU time.

import { decodeBitstring, encodeBitstring, STATUS_BITS_MIN } from '../rpc/client/credentials/bitstring.ts'
import { PLATFORM_CONTEXT } from '../rpc/client/credentials/contexts.ts'
import { type CredentialForm, createCredentials, type Secured } from '../rpc/client/credentials/credentials.ts'
import { statusEntry } from '../rpc/client/credentials/status.ts'
import { createIdentities, documentWith, HOLDER, ISSUER, keyOf } from '../test/kit/identities.ts'
import { createReport } from './report.ts'

const report = createReport('credentials')
const isSmoke = process.env.SMOKE === '1'
const WARM = isSmoke ? 5 : 200
const COUNT = isSmoke ? 5 : 300

const identities = createIdentities()
for (const did of [ISSUER, HOLDER]) identities.set(did, documentWith(did))
const status = { issuer: ISSUER, purpose: 'revocation', sizeBits: STATUS_BITS_MIN, isSet: false, anchor: null } as const
identities.setStatus(7n, 11, status)
const nowMs = Date.parse('2026-06-01T00:00:00Z')
const credentials = createCredentials({ dids: identities, status: identities, clock: { nowMs: () => nowMs } })
const credential = {
  '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT],
  id: 'urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33',
  type: ['VerifiableCredential', 'OperatorCredential'],
  issuer: ISSUER,
  validFrom: '2026-01-01T00:00:00Z',
  validUntil: '2027-01-01T00:00:00Z',
  credentialSubject: { id: HOLDER, role: 'operator', region: 'eu-central', reputation: 71, tier: 'gold' },
  credentialStatus: statusEntry({ issuer: ISSUER, list: 7n, index: 11, purpose: 'revocation' }),
}
const ask = { challenge: 'c', domain: 'https://verifier.example' }

const measure = async (name: string, run: () => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < WARM; i++) await run()
  const cpu = process.cpuUsage()
  for (let i = 0; i < COUNT; i++) await run()
  const { user, system } = process.cpuUsage(cpu)
  report.cpu(name, (user + system) / 1_000 / COUNT, 'ms each')
}

for (const form of ['data-integrity', 'jwt', 'sd-jwt'] as const satisfies readonly CredentialForm[]) {
  const name = form === 'data-integrity' ? 'data integrity, eddsa-rdfc-2022' : form
  const by = { key: keyOf(ISSUER), form, ...(form === 'sd-jwt' && { disclosable: ['tier', 'region'] }) }
  let secured: Secured = ''
  await measure(`${name}: issue`, async () => {
    secured = await credentials.issue(credential, by)
  })
  await measure(`${name}: verify, with its status`, () => credentials.verify(secured))
  const presented = await credentials.present([secured], { key: keyOf(HOLDER), ...ask })
  await measure(`${name}: verify a presentation of it`, () => credentials.verifyPresentation(presented, ask))
}
const encoded = await encodeBitstring(new Uint8Array(STATUS_BITS_MIN / 8))
await measure('status list of 131,072 bits: decode', () => decodeBitstring(encoded))
await report.end()
