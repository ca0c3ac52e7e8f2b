// One holder with one credential that can be spoken of in zero knowledge, and one question about it.
import { readFileSync } from 'node:fs'
import type { ZkProof, ZkQuestion } from '../../rpc/client/credentials/zk.ts'
import {
  issuersTree,
  signZkCredential,
  statusTree,
  zkPublicKey,
  zkSubject,
} from '../../rpc/client/credentials/zk-credential.ts'

export const SECRET = 0x1234_5678_9abc_def0_1234_5678n
const issuerSecret = new Uint8Array(32).fill(5)
const issuers = { tree: issuersTree([zkPublicKey(new Uint8Array(32).fill(6)), zkPublicKey(issuerSecret)]), index: 1 }
const statuses = statusTree(new Uint8Array(16_384).fill(0xff, 0, 16))

/** The third claim is 71. */
export const holding = () => ({
  secret: SECRET,
  credential: signZkCredential(
    {
      subject: zkSubject(SECRET),
      schema: 1n,
      claims: [1n, 2n, 71n, 0n, 0n, 0n, 0n, 2n ** 64n - 1n],
      validUntil: 1_900_000_000,
      statusIndex: 94_567,
    },
    issuerSecret,
  ),
  issuers,
  statuses,
})

export const QUESTION: ZkQuestion = {
  issuersRoot: issuers.tree.root,
  statusRoot: statuses.root,
  schema: 1n,
  claimIndex: 2,
  threshold: 71n,
  now: 1_800_000_000,
  context: 42n,
}

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))
export const developmentKey = () => read('contracts/circuits/verifying-key.development-unsafe.json')
/** A proof of the question under the development key. */
export const storedProof = (): ZkProof => {
  const { proof, nullifier } = read('test/fixtures/zk-proof.json')
  return { proof, nullifier: BigInt(nullifier) }
}
