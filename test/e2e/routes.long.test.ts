// A bridge from nothing, by the commands alone: contracts on anvil, then the routes of a coin of ours and of theirs, opened on both sides by who owns
// them, governance here and a timelock there, used, closed and opened again.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bridge } from '../../node/commands/bridge.ts'
import { rollup } from '../../node/commands/rollup.ts'
import { installFastCurves } from '../../node/curves.ts'
import { developmentAccounts } from '../../node/development.ts'
import { type Anvil, startAnvil } from '../kit/anvil.ts'
import { run } from '../kit/commands.ts'
import { type Devnet, startDevnet } from '../kit/devnet.ts'

const DELAY_SECONDS = 3_600
const CHAIN = '80002'
const BOUNDS = ['--cap', '1000000', '--limit', '10000.5']
const CPU = '0x0000000000000000000000000000000000000821'
const dir = mkdtempSync(join(tmpdir(), 'routes-'))
const [owner, stranger] = developmentAccounts(2)
const key = join(dir, 'owner.hex')
writeFileSync(key, `${owner?.privateKey}\n`, { mode: 0o600 })
let anvil: Anvil
let net: Devnet
let vault: string

const env = (): Record<string, string> => ({ NOVACHAIN_RPC: net.rpc[0] ?? '' })
const type = (...argv: readonly string[]) => run(bridge, argv, env())
const open = (token: string, ...more: readonly string[]) =>
  type('open', CHAIN, token, '--l1', anvil.url, ...BOUNDS, '--dev-account', '0', ...more)
const wait = async (): Promise<void> => {
  await anvil.rpc('evm_increaseTime', [DELAY_SECONDS])
  await anvil.mine()
}

beforeAll(async () => {
  await installFastCurves(() => {})
  anvil = await startAnvil()
  await anvil.rpc('evm_setAutomine', [true])
  net = await startDevnet(['--validators', '1', '--block-time', '500', '--log-level', 'error'])
  const l1 = ['--l1', anvil.url, '--l1-chain-id', CHAIN]
  const who = ['--owner', owner?.address ?? '', '--posters', owner?.address ?? '', '--guardian', owner?.address ?? '']
  const deployed = await run(rollup, ['deploy', ...l1, ...who, '--from', key, '--delay', `${DELAY_SECONDS}`], env())
  expect(Object.keys(deployed.json.contracts)).toEqual([
    ...['BlsCheckpointVerifier', 'NovaTimelock', 'NovaSettlement', 'NovaProxy'],
    ...['WrappedTokenFactory', 'NovaVault', 'VaultProxy'],
  ])
  vault = deployed.json.contracts.VaultProxy
})
afterAll(async () => {
  await net?.stop()
  await anvil?.close()
  rmSync(dir, { recursive: true })
})

test('who has no vault, names a wrong one, another chain or no amount is told before anything is sent', async () => {
  expect((await open('coin')).refusal).toBe('BRIDGEROUTE_UNCONNECTED')
  expect((await open('coin', '--vault', stranger?.address ?? '')).refusal).toBe('BRIDGEROUTE_NO_VAULT')
  expect((await type('open', '137', 'coin', '--l1', anvil.url, ...BOUNDS)).refusal).toBe('BRIDGEROUTE_CHAIN')
  const over = ['--cap', '1', '--limit', '0.0000000000000000001']
  const amounts = await type('open', CHAIN, 'coin', '--l1', anvil.url, '--vault', vault, ...over)
  expect([amounts.refusal, amounts.text]).toEqual(['BRIDGEROUTE_AMOUNT', expect.stringContaining('18 decimals')])
  expect((await open('coin', '--theirs', '--vault', vault)).refusal).toBe('BRIDGEROUTE_TOKEN')
  const theirs = ['--theirs', '--name', 'Polygon', '--symbol', 'POL', '--vault', vault]
  const other = await type('open', CHAIN, 'coin', '--l1', anvil.url, ...BOUNDS, ...theirs, '--dev-account', '1')
  expect([other.refusal, other.text]).toEqual(['BRIDGECALL_REFUSED', expect.stringContaining('NotGovernance')])
})

test('a coin of ours: there first, when the timelock lets it, then here, and then it goes', async () => {
  expect((await open('coin', '--vault', vault)).refusal).toBe('BRIDGEROUTE_OTHER_SIDE')
  const renamed = await open('coin', '--vault', vault, '--there', '--name', 'Nuva')
  expect(renamed.refusal).toBe('BRIDGEROUTE_SAYS_OTHER')
  const steps = []
  for (const step of ['scheduleBatch', 'nothing', 'executeBatch', 'nothing']) {
    if (step === 'executeBatch') await wait()
    const { json } = await open('coin', '--there', '--vault', vault)
    steps.push([json.transactions[0]?.split(':')[0] ?? 'nothing', json.waits === null, json.isOtherDone])
  }
  expect(steps).toEqual([
    ['scheduleBatch', false, false],
    ['nothing', false, false],
    ['executeBatch', true, false],
    ['nothing', true, false],
  ])
  const here = await open('coin', '--vault', vault)
  expect(here.json).toMatchObject({ open: true, isOtherDone: true, wrapped: expect.stringMatching(/^0x/), vault })
  expect(here.json.transactions.map((each: string) => each.split(':')[0])).toEqual(['setChain', 'setRoute'])
  expect((await open('coin', '--vault', stranger?.address ?? '')).refusal).toBe('BRIDGEROUTE_VAULT')
  expect((await open('coin')).json).toMatchObject({ transactions: [], open: true, isOtherDone: true })
  const sent = await type('send', CHAIN, stranger?.address ?? '', '1.5nova', '--dev-account', '0')
  expect((await type('status', sent.json.id, '--l1', anvil.url, '--l1-chain-id', CHAIN)).json.novachain.status).toBe(
    'sent',
  )
})

test('a coin of theirs: wrapped here first, and it comes', async () => {
  const named = ['--theirs', '--name', 'Polygon', '--symbol', 'POL']
  expect((await open('coin', ...named, '--there')).refusal).toBe('BRIDGEROUTE_OTHER_SIDE')
  const here = await open('coin', ...named)
  expect(here.json).toMatchObject({ open: true, wrapped: '0x0000000000000000000000000000000000000831' })
  await open('coin', ...named, '--there')
  await wait()
  expect((await open('coin', ...named, '--there')).json).toMatchObject({ open: true, waits: null, isOtherDone: true })
  const at = ['--l1', anvil.url, '--l1-chain-id', CHAIN]
  const sent = await type('send', `${net.chainId}`, stranger?.address ?? '', '2', '--dev-account', '0', ...at)
  expect((await type('status', sent.json.id, ...at)).json.other.status).toBe('sent')
})

test('closed, it takes nothing; opened as before, the timelock has another batch for it', async () => {
  const close = (...more: readonly string[]) =>
    type('close', CHAIN, 'coin', '--l1', anvil.url, '--dev-account', '0', ...more)
  expect((await close()).json).toMatchObject({ open: false, isOtherDone: false })
  const refused = await type('send', CHAIN, stranger?.address ?? '', '1', '--dev-account', '0')
  expect(refused.text).toContain('RouteClosed')
  for (const verb of [close, (...more: readonly string[]) => open('coin', ...more), close]) {
    await verb('--there')
    await wait()
    expect((await verb('--there')).json).toMatchObject({
      waits: null,
      transactions: [expect.stringMatching(/^executeBatch/)],
    })
  }
  expect((await close()).json).toMatchObject({ transactions: [], isOtherDone: true })
})

test('a token says its own name; who signs elsewhere gets the transaction', async () => {
  const unsigned = ['--there', '--unsigned', '--sender', owner?.address ?? '']
  const { json } = await type('open', CHAIN, CPU, '--l1', anvil.url, ...BOUNDS, ...unsigned)
  expect(json.unsigned).toMatch(/^0x02/)
  expect(Buffer.from(json.data.slice(2), 'hex').toString('latin1')).toContain('NovaChain CPU')
  const closed = await type('close', CHAIN, CPU, '--l1', anvil.url, '--dev-account', '0')
  expect(closed.json).toMatchObject({ open: false, transactions: [], isOtherDone: true })
})
