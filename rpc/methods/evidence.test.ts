// Evidence through the users' door: brought, listed, filtered, and refused with words.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asHash, bytesToHex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { encodeEvidence, evidenceOf, testimoniesOf } from '../../chain/types/evidence.ts'
import { SignType, signBytes, type Vote, votePayload } from '../../chain/types/vote.ts'
import { devValidatorSecret } from '../../test/kit/keys.ts'
import { type RpcNode, startRpcNode } from '../../test/kit/rpc-node.ts'

let node: RpcNode
beforeAll(async () => {
  node = await startRpcNode()
  await node.mine()
  await node.mine()
})
afterAll(() => node.close())

const proofOf = (height: number, type: Vote['type']): string => {
  const { genesis, genesisHash } = node.chain
  const [a, b] = [1, 2].map((byte) => {
    const blockHash = asHash(new Uint8Array(32).fill(byte))
    const message = signBytes(
      { chainId: genesis.chainId, genesisHash },
      SignType[type],
      votePayload(height, 0, blockHash),
    )
    const signature = curves().blsSign(devValidatorSecret(0), message)
    return testimoniesOf({ kind: 'vote', vote: { type, height, round: 0, blockHash, validator: 0, signature } }, 1)[0]
  })
  if (a === undefined || b === undefined) expect.fail('two testimonies')
  return bytesToHex(encodeEvidence(evidenceOf(a, b)))
}

test('a proof that is brought is listed with both signed items and can be asked for by validator, offence and height', async () => {
  const [raw, other] = [proofOf(1, 'prepare'), proofOf(2, 'commit')]
  const { result: id } = await node.call('nova_submitEvidence', raw)
  await node.call('nova_submitEvidence', other)
  const validator = bytesToHex(node.chain.validators().members[0]?.address ?? new Uint8Array(0))
  const rows = async (filter?: object): Promise<unknown> =>
    (await node.call('nova_evidence', ...(filter ? [filter] : []))).result
  const signed = (byte: number) => ({
    ...{ type: 'prepare', height: '0x1', round: '0x0', blockHash: `0x${`0${byte}`.repeat(32)}`, bitmap: '0x01' },
    ...{ signature: expect.stringMatching(/^0x[0-9a-f]{192}$/), digest: expect.stringMatching(/^0x[0-9a-f]{64}$/) },
  })
  const first = {
    id,
    offence: 'E1',
    height: '0x1',
    round: '0x0',
    validators: [validator],
    first: signed(1),
    second: signed(2),
    raw,
    punished: false,
  }
  expect(await rows()).toMatchObject([{ offence: 'E2', raw: other }, first])
  expect(await rows({ offence: 'E1' })).toMatchObject([first])
  expect(await rows({ validator, toHeight: '0x1' })).toMatchObject([first])
  expect(await rows({ fromHeight: '0x2' })).toMatchObject([{ offence: 'E2' }])
  expect(await rows({ validator: `0x${'11'.repeat(20)}` })).toEqual([])
})

test.each([
  ['nova_evidence', [{ offence: 'E7' }], -32602],
  ['nova_evidence', [{ validator: '0x12' }], -32602],
  ['nova_evidence', ['0x1'], -32602],
  ['nova_submitEvidence', [], -32602],
  ['nova_submitEvidence', ['0x00'], -32000],
  ['nova_submitEvidence', [`0x${'00'.repeat(9_000)}`], -32000],
] as const)('%s refuses %j', async (method, params, code) => {
  expect((await node.call(method, ...params)).error?.code).toBe(code)
})

test('a proof of a height that is not final is refused with the reason', async () => {
  expect((await node.call('nova_submitEvidence', proofOf(9, 'prepare'))).error?.message).toContain(
    'height 9 cannot be judged here',
  )
})
