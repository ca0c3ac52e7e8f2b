// Zero knowledge: what a proof, its verification in JavaScript and the issuer's signature cost, and the gas of the Solidity verifier. CPU time.
// With --smoke no key is dealt for it: the proof is the stored one.
import { readFileSync } from 'node:fs'
import { artifacts, ensureDevelopmentKey } from '../contracts/circuits/setup.ts'
import { proveZk, verifyZk, type ZkProof, zkArguments, zkInput, zkSignals } from '../rpc/client/credentials/zk.ts'
import { statusTree } from '../rpc/client/credentials/zk-credential.ts'
import { openDid } from '../test/kit/did.ts'
import { deployVerifier } from '../test/kit/verifier.ts'
import { holding, QUESTION } from '../test/kit/zk.ts'
import { createReport } from './report.ts'

const report = createReport('zk')
const isSmoke = process.env.SMOKE === '1'
const read = (path: string | URL) => JSON.parse(readFileSync(path, 'utf8'))
const key = read(artifacts.verifyingKey)
const stored = read(new URL('../test/fixtures/zk-proof.json', import.meta.url))
let made: ZkProof = { proof: stored.proof, nullifier: BigInt(stored.nullifier) }

const measure = async (name: string, unit: 'ms' | 's', count: number, run: () => unknown): Promise<void> => {
  await run()
  const cpu = process.cpuUsage()
  for (let i = 0; i < count; i++) await run()
  const { user, system } = process.cpuUsage(cpu)
  report.cpu(name, (user + system) / count / (unit === 's' ? 1e6 : 1e3), `${unit} each`)
}

await measure('issue: commitment, signature, eight claims', 'ms', 20, holding)
await measure('tree of a status list of 131,072 bits, all different', 'ms', 1, () =>
  statusTree(Uint8Array.from({ length: 16_384 }, (_, i) => (i * 7 + (i >> 4)) & 0xff)),
)
if (!isSmoke) {
  await ensureDevelopmentKey()
  const input = zkInput(QUESTION, holding())
  await measure('proof, one thread', 's', 2, async () => {
    made = await proveZk(input, artifacts)
  })
}
await measure('verify in JavaScript', 'ms', isSmoke ? 2 : 50, () =>
  verifyZk(key, QUESTION, made, { network: 'development' }),
)
const did = openDid({ credentialKey: key }, { development: true })
const args = zkArguments(QUESTION, made)
await measure('verify in the did module, a call', 'ms', isSmoke ? 2 : 50, () => did.read('verifyProof', ...args))
const verifier = await deployVerifier()
const { gas } = await verifier.verify(made.proof, zkSignals(QUESTION, made.nullifier))
await verifier.close()
report.add('verify on chain, a transaction of its own', gas, 'gas', 'less')
await report.end()
process.exit(0) // the library leaves threads behind
