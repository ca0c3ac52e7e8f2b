// relayer.toml: what it says is read whole, and what is wrong is named by its key, a URL never repeated.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readSettings } from './settings.ts'

const dir = mkdtempSync(join(tmpdir(), 'relayer-'))
afterAll(() => rmSync(dir, { recursive: true }))
const read = (text: string) => {
  const file = join(dir, 'relayer.toml')
  writeFileSync(file, text)
  return readSettings(file)
}
const SETTLEMENT = `0x${'5e'.repeat(20)}`

test('all of it, with paths from its folder', () => {
  const found = read(`
rpc = "http://127.0.0.1:8545"
from = "keys/relayer.json"
dir = "places"
metricsPort = 9600
[chains.137]
url = "https://polygon.example/key"
settlement = "${SETTLEMENT}"
fromBlock = 60000000
inFlight = 4
maxFee = "900gwei"
[chains.43114]
url = "https://avalanche.example"
settlement = "${SETTLEMENT}"
`)
  expect(found).toEqual({
    ...{ rpc: 'http://127.0.0.1:8545', from: join(dir, 'keys/relayer.json'), dir: join(dir, 'places') },
    ...{ metricsPort: 9_600, passwordFile: undefined },
    chains: {
      137: {
        ...{ url: 'https://polygon.example/key', settlement: SETTLEMENT, fromBlock: 60_000_000, maxFee: '900gwei' },
        inFlight: 4,
      },
      43114: { url: 'https://avalanche.example', settlement: SETTLEMENT, fromBlock: 0 },
    },
  })
  expect(read('')).toMatchObject({ chains: {} })
})

test.each([
  ['a key that is none', 'colour = 1', 'RELAYER_INVALID', /colour/],
  [
    'a chain without a contract',
    '[chains.137]\nurl = "https://x.example/secret"',
    'RELAYER_INVALID',
    /chains\.137\.settlement/,
  ],
  [
    'a URL of another kind',
    `[chains.137]\nurl = "ftp://secret"\nsettlement = "${SETTLEMENT}"`,
    'RELAYER_INVALID',
    /chains\.137\.url: expected an http URL$/,
  ],
  [
    'a chain that is no number',
    `[chains.polygon]\nurl = "https://x.example"\nsettlement = "${SETTLEMENT}"`,
    'RELAYER_INVALID',
    /chains/,
  ],
  [
    'more under way than there may be',
    `[chains.137]\nurl = "https://x.example"\nsettlement = "${SETTLEMENT}"\ninFlight = 17`,
    'RELAYER_INVALID',
    /chains\.137\.inFlight/,
  ],
  ['a port that is none', 'metricsPort = 70000', 'RELAYER_INVALID', /metricsPort/],
  ['no TOML', 'rpc = = 1', 'CONFIG_TOML', /relayer\.toml/],
])('%s', (_, text, code, said) => {
  const refused = (): unknown => {
    try {
      return read(text)
    } catch (error) {
      return error
    }
  }
  expect(refused()).toMatchObject({ code, message: expect.stringMatching(said) })
})
