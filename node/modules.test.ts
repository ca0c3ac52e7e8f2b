import { Interface } from 'ethers'
import { expect, test } from 'vitest'
import { asAddress, bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { abi as didAbi } from '../chain/native/did/abi.ts'
import { type AbiParam, encodeError } from '../chain/native/kit/abi.ts'
import { abi as slashingAbi } from '../chain/native/slashing/abi.ts'
import { abi as stakingAbi } from '../chain/native/staking/abi.ts'
import { ClientErrors } from '../rpc/client/http.ts'
import { callOf, eventsOf, explain, staking } from './modules.ts'

const operator = asAddress(new Uint8Array(20).fill(0xab))
const contract = new Interface(Object.values(stakingAbi.functions).map(({ source }) => source))

test('a call is the bytes that ethers makes of it, and an answer has names', () => {
  const { to, input, decode } = callOf(staking, 'redelegate', [operator, operator, 5n])
  expect(bytesToHex(to)).toBe('0x0000000000000000000000000000000000000801')
  const hex = bytesToHex(operator)
  expect(bytesToHex(input)).toBe(contract.encodeFunctionData('redelegate', [hex, hex, 5n]))
  expect(decode(new Uint8Array(0))).toEqual({})
  const answer = contract.encodeFunctionResult('epoch', [3, 13, 1_700_000_000])
  expect(callOf(staking, 'epoch', []).decode(hexToBytes(answer))).toEqual({
    ...{ current: 3n, firstHeight: 13n, electedAt: 1_700_000_000n },
  })
})

/** Some value of a type. */
const sampleOf = ([, type]: AbiParam): unknown => {
  if (type === 'address') return operator
  if (type === 'string') return 'too short'
  if (type === 'bytes') return new Uint8Array(48).fill(0xcd)
  if (type === 'bytes32') return new Uint8Array(32).fill(0xcd)
  return type === 'uint8' ? 3n : 1_800n
}
const errors = [stakingAbi, slashingAbi, didAbi].flatMap(({ errors }) => Object.entries(errors))
test.each(errors)('%s is told in words with its values', (name, error) => {
  const values = Object.fromEntries(error.inputs.map((param: AbiParam) => [param[0], sampleOf(param)]))
  const output = bytesToHex(encodeError(error, values as never))
  const told = new NodeError(ClientErrors.ANSWER, { method: 'eth_call', message: 'execution reverted', output })
  let said: unknown
  try {
    explain(told)
  } catch (caught) {
    said = caught
  }
  const { code, data, message } = said as NodeError<{ name: string }>
  expect([code, data.name]).toEqual([name === 'LastQuorum' ? 'MODULE_UNSAFE' : 'MODULE_REFUSED', name])
  for (const [, type] of error.inputs) {
    if (type === 'address') expect(message).toContain(bytesToHex(operator))
    if (type === 'string') expect(message).toContain('too short')
  }
  expect(message).not.toMatch(/undefined|\[object/)
})

test('what is no refusal of a module stays what it is', () => {
  const plain = new NodeError(ClientErrors.ANSWER, { method: 'eth_call', message: 'staking is paused until 7' })
  expect(() => explain(plain)).toThrow(plain)
  const other = new NodeError(ClientErrors.ANSWER, { method: 'eth_call', message: 'no', output: '0x08c379a0' })
  expect(() => explain(other)).toThrow(other)
})

test('logs of the modules have names, and those of others are left out', () => {
  const events = new Interface(Object.values(stakingAbi.events).map(({ source }) => source))
  const address = bytesToHex(staking.at)
  const who = bytesToHex(operator)
  const delegated = events.encodeEventLog('Delegated', [who, who, 5n, 4n])
  const created = events.encodeEventLog('ValidatorCreated', [who, '0x1234', `0x${'cd'.repeat(32)}`, 500, 'älteste'])
  const logs = [
    { address, ...delegated },
    { address: who, ...delegated },
    { address, topics: [`0x${'00'.repeat(32)}`], data: '0x' },
    { address, ...created },
  ]
  expect(eventsOf(logs)).toEqual([
    { event: 'Delegated', delegator: who, validator: who, amount: '5', shares: '4' },
    {
      ...{ event: 'ValidatorCreated', operator: who, blsKey: '0x1234', commissionBps: '500', moniker: 'älteste' },
      peerIdDigest: `0x${'cd'.repeat(32)}`,
    },
  ])
})
