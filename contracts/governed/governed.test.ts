// Who may change contracts that are deployed, and what may not change in them: the timelock, initialisers, and where storage lies.
import { expect, test } from 'vitest'
import { asHash, bytesToHex } from '../../chain/base/bytes.ts'
import { installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { account, type Contract, createEvm, type Evm, type Options, SENDER, type Sent } from '../../test/kit/evm.ts'
import { createLightChain } from '../../test/kit/light-chain.ts'
import {
  checkpointOf,
  deploySettlement,
  deployVerifier,
  operatorCertificate,
  operatorsFrom,
} from '../../test/kit/settlement.ts'
import { NovaVault } from '../bridge/NovaVault.artifact.ts'
import { NovaSettlement } from '../settlement/NovaSettlement.artifact.ts'
import { NovaTimelock } from './NovaTimelock.artifact.ts'

installCurves(nativeCurves)

const ZERO = `0x${'00'.repeat(32)}`
const DELAY = 172_800
const PROPOSER = account(4)
const network = { chainId: 662_607n, genesisHash: asHash(keccak(Uint8Array.of(9))), epochBlocks: 100 }
const operators = operatorsFrom([1])
const nameOf = ({ error }: Sent): string | null => error?.replace(/\(.*/s, '') ?? null

async function open(): Promise<{ evm: Evm; timelock: Contract; settlement: Contract }> {
  const evm = createEvm()
  const timelock = await evm.deploy(NovaTimelock, [DELAY, [bytesToHex(PROPOSER)]])
  const chain = createLightChain(network, () => operators)
  const settlement = await deploySettlement(evm, await deployVerifier(evm, 'ecdsa', network), chain, timelock.address)
  const block = chain.block(1)
  const blockHash = asHash(keccak(checkpointOf(block, network)[0]))
  const certificate = operatorCertificate(network, { height: 1, blockHash }, operators)
  await settlement.must('post', [1, ZERO, '0x01', checkpointOf(block, network), certificate])
  return { evm, timelock, settlement }
}
const upgradeTo = (settlement: Contract, code: Contract) => [
  ...[settlement.hex, 0, settlement.abi.encodeFunctionData('upgradeToAndCall', [code.hex, '0x']), ZERO, ZERO],
]

test('code changes by the timelock alone, after its delay, and keeps what is stored', async () => {
  const { evm, timelock, settlement } = await open()
  const next = await evm.deploy(NovaSettlement)
  const call = upgradeTo(settlement, next)
  const schedule = (delay: number, options: Options) => timelock.send('schedule', [...call, delay], options)
  expect(nameOf(await settlement.send('upgradeToAndCall', [next.hex, '0x'], { from: PROPOSER }))).toBe('NotOwner')
  expect(nameOf(await schedule(DELAY, { from: SENDER }))).toBe('AccessControlUnauthorizedAccount')
  expect(nameOf(await schedule(DELAY - 1, { from: PROPOSER }))).toBe('TimelockInsufficientDelay')
  expect((await schedule(DELAY, { from: PROPOSER })).error).toBe(null)
  evm.now += DELAY - 1
  expect(nameOf(await timelock.send('execute', call))).toBe('TimelockUnexpectedOperationState')
  evm.now += 1
  const before = await settlement.read('latest')
  const done = await timelock.must('execute', call, { from: account(5) })
  expect(done.logs.find(({ name }) => name === 'Upgraded')?.args).toEqual({
    implementation: expect.stringMatching(new RegExp(next.hex, 'i')),
  })
  expect(await settlement.read('latest')).toEqual(before)
  expect(await settlement.read('owner')).toEqual(expect.stringMatching(new RegExp(timelock.hex, 'i')))
})

test('nobody stands above the timelock', async () => {
  const { timelock } = await open()
  const admin = await timelock.read('DEFAULT_ADMIN_ROLE')
  expect(await timelock.read('hasRole', admin, timelock.hex)).toBe(true)
  for (const of of [SENDER, PROPOSER]) expect(await timelock.read('hasRole', admin, bytesToHex(of))).toBe(false)
})

test('what is no such contract does not become its code', async () => {
  const { evm, timelock, settlement } = await open()
  const call = upgradeTo(settlement, timelock)
  await timelock.must('schedule', [...call, DELAY], { from: PROPOSER })
  evm.now += DELAY
  expect(nameOf(await timelock.send('execute', call))).toBe('ERC1967InvalidImplementation')
})

test('initialisers are closed: of the code from the beginning, of the proxy after its first', async () => {
  const { evm, settlement } = await open()
  const owner = bytesToHex(SENDER)
  const [code, vault] = [await evm.deploy(NovaSettlement), await evm.deploy(NovaVault)]
  const args = [owner, [ZERO, ZERO, ZERO, 1], code.hex, []]
  for (const each of [code, settlement])
    expect(nameOf(await each.send('initialize', args))).toBe('InvalidInitialization')
  const terms = [owner, owner, code.hex, code.hex, [1, 1, 1]]
  expect(nameOf(await vault.send('initialize', terms))).toBe('InvalidInitialization')
  // And the code alone cannot be upgraded away.
  expect(nameOf(await code.send('upgradeToAndCall', [vault.hex, '0x']))).toBe('UUPSUnauthorizedCallContext')
})

/** As it lies on chains. A version adds contracts' lines at the end; nothing else ever changes here. */
const LAYOUTS = {
  NovaSettlement: [
    'slot 0 byte 0: address owner',
    'slot 1 byte 0: struct NovaSettlement.Position _position',
    'slot 2 byte 0: bytes32 _accumulator',
    'slot 3 byte 0: bytes32 _blockHash',
    'slot 4 byte 0: bytes32 _validatorsHash',
    'slot 5 byte 0: bytes32 _genesisHash',
    'slot 6 byte 0: contract ICheckpointVerifier _verifier',
    'slot 7 byte 0: mapping(address => bool) _posters',
    'slot 8 byte 0: bytes32[64] _stateRoots',
  ],
  Position: [
    'slot 0 byte 0: uint64 seq',
    'slot 0 byte 8: uint64 height',
    'slot 0 byte 16: uint64 epoch',
    'slot 0 byte 24: uint64 epochBlocks',
  ],
  NovaVault: [
    'slot 0 byte 0: address owner',
    'slot 1 byte 0: mapping(uint64 => mapping(uint64 => bytes32)) _links',
    'slot 2 byte 0: mapping(bytes32 => struct INovaVault.Transfer) _transfers',
    'slot 3 byte 0: struct BitMaps.BitMap _settled',
    'slot 4 byte 0: mapping(address => struct NovaVault.StoredRoute) _routes',
    'slot 5 byte 0: mapping(bytes32 => struct NovaVault.Local) _locals',
    'slot 6 byte 0: struct NovaVault.Standing _standing',
    'slot 7 byte 0: uint64 _sent',
    'slot 7 byte 8: contract INovaSettlement _settlement',
    'slot 8 byte 0: contract WrappedTokenFactory _factory',
    'slot 9 byte 0: address _guardian',
  ],
  StoredRoute: [
    'slot 0 byte 0: bytes32 remote',
    'slot 1 byte 0: uint256 outstanding',
    'slot 2 byte 0: uint128 cap',
    'slot 2 byte 16: bool known',
    'slot 2 byte 17: bool open',
    'slot 2 byte 18: bool wrapped',
    'slot 3 byte 0: struct RateLimiter.RefillingBucket limit',
  ],
  RefillingBucket: [
    'slot 0 byte 0: uint208 _capacity',
    'slot 0 byte 26: uint48 _window',
    'slot 1 byte 0: mapping(bytes32 => struct RateLimiter.RefillingBucketItem) _items',
  ],
  RefillingBucketItem: ['slot 0 byte 0: uint208 _lastUsed', 'slot 0 byte 26: uint48 _lastTimepoint'],
  Transfer: [
    'slot 0 byte 0: enum INovaVault.Status status',
    'slot 0 byte 1: uint64 chain',
    'slot 0 byte 9: uint64 sequence',
    'slot 0 byte 17: uint40 changedAt',
  ],
  Local: ['slot 0 byte 0: address token', 'slot 0 byte 20: bool known'],
  Standing: [
    'slot 0 byte 0: uint64 novaChainId',
    'slot 0 byte 8: uint48 window',
    'slot 0 byte 14: uint64 lifetime',
    'slot 0 byte 22: uint64 pausedUntil',
  ],
} as const

test('storage lies where it lay', () => {
  const found: Readonly<Record<string, readonly string[]>> = {
    ...{ NovaSettlement: NovaSettlement.storage, NovaVault: NovaVault.storage },
    ...{ ...NovaSettlement.structs, ...NovaVault.structs },
  }
  for (const [name, lines] of Object.entries(LAYOUTS)) expect(found[name]?.slice(0, lines.length), name).toEqual(lines)
})
