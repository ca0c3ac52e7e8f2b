// Amounts, shares and times as people write and read them: 1.5nova, 30gwei, 5 %, 3 days. Amounts are exact: digits are shifted, nothing is multiplied by a fraction.
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export const AmountErrors = defineErrors('AMOUNT', {
  WRONG: {
    text: (d: { text: string; reason: string }) =>
      `${d.text} is no amount: ${d.reason}; write 1.5nova, 30gwei, or whole wei`,
  },
  PERCENT: {
    text: (d: { text: string }) => `${d.text} is no share: write 5%, or 2.5%, with at most two digits after the point`,
  },
})

const UNITS: Readonly<Record<string, number>> = { wei: 0, gwei: 9, nova: 18 }

/** What has the form of one. */
export const AMOUNT = /^(\d{1,60})(?:\.(\d{1,30}))?\s*([a-z]*)$/i

/** Wei. Throws AMOUNT_WRONG. */
export function parseAmount(text: string): bigint {
  const refuse = (reason: string): never => {
    throw new NodeError(AmountErrors.WRONG, { text, reason })
  }
  const [, whole, fraction = '', unit = 'wei'] = AMOUNT.exec(text) ?? refuse('not a number')
  const places = UNITS[unit.toLowerCase() || 'wei'] ?? refuse(`there is no unit ${unit}`)
  if (fraction.length > places) refuse(`${fraction.length} digits after the point, ${unit || 'wei'} has ${places}`)
  const wei = BigInt(whole + fraction.padEnd(places, '0'))
  return wei < 2n ** 256n ? wei : refuse('it has more than 256 bits')
}

/** Every digit, thousands apart: "1,000,000.5 NOVA". */
export function nova(wei: bigint): string {
  const digits = wei.toString().padStart(19, '0')
  const whole = digits.slice(0, -18).replace(/\B(?=(\d{3})+$)/g, ',')
  const fraction = digits.slice(-18).replace(/0+$/, '')
  return `${whole}${fraction === '' ? '' : `.${fraction}`} NOVA`
}

/** Basis points. Throws AMOUNT_PERCENT: a bare number could be either, so it is refused. */
export function parsePercent(text: string): number {
  const [, whole, fraction = ''] = /^(\d{1,3})(?:\.(\d{1,2}))?\s*%$/.exec(text) ?? []
  const bps = Number(whole) * 100 + Number(fraction.padEnd(2, '0'))
  if (whole === undefined || bps > 10_000) throw new NodeError(AmountErrors.PERCENT, { text })
  return bps
}

export const percent = (bps: number | bigint): string => `${Number(bps) / 100} %`

/** Seconds of the chain's clock. */
export const time = (seconds: bigint): string =>
  new Date(Number(seconds) * 1_000).toISOString().replace('T', ' ').replace('.000Z', ' UTC')

/** In the unit that leaves few digits, rounded. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`
}
