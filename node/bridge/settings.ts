// relayer.toml: what a relayer of this machine may choose, beside flags, which go before it. Owns its keys and their bounds; paths in it count from its folder.
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { AMOUNT } from '../amounts.ts'
import { readTables } from '../config.ts'

export const SettingsErrors = defineErrors('RELAYER', {
  INVALID: { text: (d: { file: string; key: string; reason: string }) => `${d.file}: ${d.key}: ${d.reason}` },
})

const amount = z.string().regex(AMOUNT, 'expected an amount as 30gwei')
const route = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'expected an http URL' }), // may hold a secret: it is not repeated
  settlement: z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address'),
  fromBlock: z.int().min(0).max(999_999_999_999_999).default(0),
  inFlight: z.int().min(1).max(16).optional(),
  maxFee: amount.optional(),
  tip: amount.optional(),
  lowBalance: amount.optional(),
})
const settings = z.strictObject({
  rpc: z.url({ protocol: /^https?$/, error: 'expected an http URL' }).optional(),
  from: z.string().optional(),
  passwordFile: z.string().optional(),
  dir: z.string().optional(),
  metricsPort: z.int().min(0).max(65_535).optional(),
  chains: z.record(z.string().regex(/^[1-9]\d{0,18}$/, 'expected a chain id'), route).default({}),
})
export type Settings = z.output<typeof settings>

/** Throws RELAYER_INVALID and CONFIG_TOML. */
export function readSettings(file: string): Settings {
  const result = settings.safeParse(readTables(file))
  if (!result.success) {
    const [issue] = result.error.issues
    throw new NodeError(SettingsErrors.INVALID, {
      ...{ file, key: issue?.path.join('.') || 'the file', reason: issue?.message ?? '?' },
    })
  }
  const { from, passwordFile, dir, ...rest } = result.data
  const at = (path: string | undefined) => path && resolve(dirname(file), path)
  return { ...rest, from: at(from), passwordFile: at(passwordFile), dir: at(dir) }
}
