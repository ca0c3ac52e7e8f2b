import { afterEach, expect, test } from 'vitest'
import { curves, installCurves, portableCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { NodeError } from '../chain/base/errors.ts'
import { devValidatorSecret } from '../test/kit/keys.ts'
import { installFastCurves } from './curves.ts'
import { developmentSecret } from './development.ts'

afterEach(() => installCurves(portableCurves))

test('native signatures are installed where they load', async () => {
  const said: string[] = []
  expect(await installFastCurves((text) => said.push(text))).toBe(true)
  expect(curves()).toBe(nativeCurves)
  expect(said).toEqual([])
})

test('where they do not load the portable ones stay, and somebody is told why', async () => {
  const said: string[] = []
  const missing = new NodeError({ code: 'TEST_MISSING', rpc: 0, text: () => 'Cannot find blst.node' }, undefined)
  const isNative = await installFastCurves(
    (text) => said.push(text),
    () => Promise.reject(missing),
  )
  expect(isNative).toBe(false)
  expect(curves()).toBe(portableCurves)
  expect(said).toEqual([expect.stringContaining('Cannot find blst.node')])
})

test('development keys are those of EIP-2333, without the native library', () => {
  for (const i of [0, 1, 7, 100]) expect(developmentSecret(i)).toEqual(devValidatorSecret(i))
})
