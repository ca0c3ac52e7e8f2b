import { expect, test } from 'vitest'
import { drawBlock, replayOn, witnessesOf } from '../../test/kit/engine-blocks.ts'
import { CHAIN_ID } from '../../test/kit/engine-cases.ts'
import { openWorkloads } from '../../test/kit/workloads.ts'
import { installCurves } from '../base/crypto.ts'
import { nativeCurves } from '../base/crypto-native.ts'
import { decodeWitness, encodeWitness } from '../types/witness.ts'
import type { Engine } from './engine.ts'
import { createFastEngine } from './interpreter.ts'
import { createReferenceEngine } from './reference.ts'

installCurves(nativeCurves)
const reference = createReferenceEngine({ chainId: CHAIN_ID })
const fast = createFastEngine({ chainId: CHAIN_ID })
const common = await openWorkloads()
const seed = Number(process.env.SEED ?? Date.now() % 100_000)

test(`what is recorded of transactions is enough to run them again, in blocks it does not change, SEED=${seed}`, async () => {
  let [lane, contracts] = [0, 0]
  for (let n = seed; n < seed + 40; n++)
    for (const witness of await witnessesOf(fast, drawBlock(n, common))) {
      expect(await replayOn(reference, witness), `SEED=${n}`).toBeNull()
      if (witness.tx.to !== null && witness.tx.data.length === 0) lane++
      else contracts++
    }
  expect(Math.min(lane, contracts)).toBeGreaterThan(50)
})

/** Gives back a unit of gas too much, but only after a lot of it was used. */
const wrong: Engine = {
  name: 'wrong',
  execute(message, state, block, natives) {
    const outcome = fast.execute(message, state, block, natives)
    if (outcome instanceof Promise || message.gas - outcome.gasLeft < 20_000n) return outcome
    return { ...outcome, gasLeft: outcome.gasLeft + 1n }
  },
}

test('an engine that is wrong is found out from the text of what it did', async () => {
  const witnesses = await witnessesOf(wrong, drawBlock(1, common))
  const differences: string[] = []
  for (const witness of witnesses) {
    const read = decodeWitness(encodeWitness(witness))
    expect(read).toEqual(witness)
    const difference = await replayOn(reference, read)
    if (difference !== null) differences.push(difference)
    expect(await replayOn(wrong, read)).toBeNull()
  }
  expect(differences.length).toBeGreaterThan(0)
  expect(differences.length).toBeLessThan(witnesses.length)
  expect(differences[0]).toMatch(/^gas \d+, before refunds .* instead of gas \d+/)
})
