import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nova, parseAmount, parsePercent, percent } from './amounts.ts'

test.each([
  ['0', 0n],
  ['17', 17n],
  ['1.5nova', 15n * 10n ** 17n],
  ['0.000000000000000001nova', 1n],
  ['30gwei', 30n * 10n ** 9n],
  ['1.000000001 gwei', 1_000_000_001n],
  ['3WEI', 3n],
])('%s', (text, wei) => expect(parseAmount(text)).toBe(wei))

test.each(['', '-1', '1e18', '0x10', '1.5', '1.5wei', '1.0000000001gwei', '1eth', '.5nova', '1.nova', '1,5nova'])(
  'refuses %s',
  (text) => expect(() => parseAmount(text)).toThrow(/is no amount/),
)

test('no digit is lost', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 128n), (wei) => {
      const digits = wei.toString().padStart(19, '0')
      expect(parseAmount(`${digits.slice(0, -18)}.${digits.slice(-18)}nova`)).toBe(wei)
    }),
  )
})

test('what is shown reads as the same amount', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 128n), (wei) => {
      expect(parseAmount(nova(wei).replaceAll(',', ''))).toBe(wei)
    }),
  )
  expect([nova(1_000_000n * 10n ** 18n), nova(1n), nova(0n)]).toEqual([
    ...['1,000,000 NOVA', '0.000000000000000001 NOVA', '0 NOVA'],
  ])
})

test('shares are basis points, and say %', () => {
  expect(['5%', '2.5 %', '0%', '100%', '0.01%'].map(parsePercent)).toEqual([500, 250, 0, 10_000, 1])
  expect([percent(250), percent(10_000n)]).toEqual(['2.5 %', '100 %'])
  for (const text of ['5', '101%', '100.01%', '-1%', '1.234%', '%', '500bps'])
    expect(() => parsePercent(text)).toThrow(/is no share/)
})
