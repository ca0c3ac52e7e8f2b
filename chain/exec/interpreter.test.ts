// The fast engine where the official state tests do not look: deep frames, pooled memory, its two ways of running code, native
// modules, and errors of the machine. What shows is compared with the reference engine.
import { describe, expect, test } from 'vitest'
import { createMemoryState } from '../../test/kit/memory-state.ts'
import { type Address, asAddress, asHash, bytesToHex, concat, hexToBytes } from '../base/bytes.ts'
import type { BlockContext, Native, NativeTable } from '../types/frame.ts'
import type { Engine, Outcome } from './engine.ts'
import { createFastEngine } from './interpreter.ts'
import { createReferenceEngine } from './reference.ts'
import { createState } from './state.ts'

const createEngines = (): Engine[] => [
  createReferenceEngine({ chainId: 1n }),
  createFastEngine({ chainId: 1n }),
  createFastEngine({ chainId: 1n, decoding: 'at once' }),
  createFastEngine({ chainId: 1n, decoding: 'never' }),
]
const at = (n: number): Address => asAddress(hexToBytes(`0x${n.toString(16).padStart(40, '0')}`))
const zero = asHash(new Uint8Array(32))
const block: BlockContext = {
  ...{ chainId: 1n, number: 1, time: 1, coinbase: at(0xfee), gasLimit: 2n ** 50n, baseFeeWei: 0n, prevRandao: zero },
  ...{ parentBeaconBlockRoot: zero, domain: { chainId: 1n, genesisHash: zero }, ethereum: 'osaka', lastCommit: null },
  blockHash: () => zero,
}
const SENDER = 0xa11ce
const CONTRACT = 0xc0de
const OTHER = 0xbeef

/** A world with these codes, and what `run` shows of a message to CONTRACT. */
const openWorld = (engine: Engine, codes: Readonly<Record<number, string>>, natives: NativeTable = new Map()) => {
  const state = createState(createMemoryState())
  state.begin()
  state.setBalance(state.load(at(SENDER)), 10n ** 18n)
  for (const [n, code] of Object.entries(codes)) state.setCode(state.load(at(Number(n))), hexToBytes(`0x${code}`))
  state.end()
  return {
    state,
    async run(gas = 10_000_000n, input = new Uint8Array(0), value = 0n) {
      state.begin()
      const sender = state.load(at(SENDER))
      state.setNonce(sender, sender.nonce + 1n)
      for (const n of [SENDER, CONTRACT]) state.warmAccount(state.load(at(n)))
      const to = at(CONTRACT)
      const from = { origin: at(SENDER), caller: at(SENDER), gasPriceWei: 1n }
      const message = { ...from, to, value, input, gas, forbidsCreation: false }
      const outcome = await engine.execute(message, state, block, natives)
      const refund = state.refund()
      return { outcome, refund, logs: state.end(), changes: state.changes() }
    },
  }
}
const shown = ({ outcome }: { readonly outcome: Outcome }) => ({ ...outcome, output: bytesToHex(outcome.output) })
const word = (n: number): string => n.toString(16).padStart(64, '0')
const push = (n: number): string => `63${n.toString(16).padStart(8, '0')}`
const to = (n: number): string => `73${n.toString(16).padStart(40, '0')}`
const STORE_AND_RETURN = '60005260206000f3'

describe('depth', () => {
  test('calls go 1,024 deep on a native stack that holds a handful of frames', async () => {
    // Adds 1 to what it is told, tells itself, and returns what it hears; the last one hears nothing.
    const code = `60003560010160005260206000602060006000305af1156027576000515b60005260206000f35b60003560010160005260206000f3`
    const jump = code.indexOf('6027') // patched to where the last JUMPDEST is
    const fixed = `${code.slice(0, jump)}60${(code.lastIndexOf('5b') / 2).toString(16)}${code.slice(jump + 4)}`
    for (const engine of createEngines()) {
      const { outcome } = await openWorld(engine, { [CONTRACT]: fixed }).run(2n ** 40n)
      expect(outcome.status).toBe('success')
      expect(BigInt(bytesToHex(outcome.output)), engine.name).toBe(1_025n)
    }
  })

  test('creations do too', async () => {
    // Initcode that creates from itself and returns nothing: each success leaves an account.
    const initcode = '383d3d39383d3df0'
    const results = []
    for (const engine of createEngines()) {
      const world = openWorld(engine, { [CONTRACT]: `67${initcode}3d52600860183df000` })
      const run = await world.run(2n ** 45n)
      results.push({ ...shown(run), made: run.changes.accounts.length })
    }
    expect(results[0]?.made).toBeGreaterThan(1_000)
    for (const result of results) expect(result).toEqual(results[0])
  })
})

describe('pooled memory', () => {
  test.for([
    ['returns', '600160005260206000f3'],
    ['reverts', '600160005260206000fd'],
    ['faults', '6001600052fe'],
    ['grows far', '60016301000000525a50'],
  ])('of a callee that %s is zeros for the next one at its depth', async ([, dirty]) => {
    // Calls OTHER, then OTHER + 1, which returns what it finds in its memory, and its size before that.
    const call = (n: number): string => `60406000600060006000${to(n)}5af150`
    const clean = '5960005160205260005260406000f3'
    for (const engine of createEngines()) {
      const codes = {
        [CONTRACT]: `${call(OTHER)}${call(OTHER + 1)}60406000f3`,
        [OTHER]: dirty ?? '',
        [OTHER + 1]: clean,
      }
      const { outcome } = await openWorld(engine, codes).run(2n ** 40n)
      expect(bytesToHex(outcome.output), engine.name).toBe(`0x${word(0)}${word(0)}`)
    }
  })
})

describe('bytes and decoded blocks', () => {
  // Sums in a loop, hashes, stores, clears, logs, and leaves by a jump from the stack.
  const loop = (rounds: number): string =>
    `${push(rounds)}5b80600052602060002054505a5080600155600060015560206000a0600190038060055700`
  const PROGRAMS: Readonly<Record<string, string>> = {
    'a loop of everything': loop(5),
    'a jump from the stack': '6003600056fe5b00',
    'a jump to nowhere': '60ff56',
    'a jump into push data': '6004565b605b00',
    'a conditional jump to nowhere that is not taken': '600060ff5700',
    'a conditional jump to nowhere that is taken': '600160ff5700',
    'a stack that is too short at the end of a block': '6001600201600160025001015050',
    'a stack that overflows in a loop': '5b600180600056',
    'a stack that is too short in a block that costs nothing': '5af3',
    'an instruction that does not exist': '60016002600301600c600d0c',
    'a push cut off by the end': '7fff',
    'gas seen in the middle of a block': '5a5a5a5a01010160005260206000f3',
    'memory that costs more than there is, before a short stack': '6001630fffffff5201',
    'a static frame that writes': `60006000600060006000${to(OTHER)}5afa60005260206000f3`,
  }
  test.for(Object.keys(PROGRAMS))('%s: the same result, gas and fault at all kinds of gas limits', async (name) => {
    const codes = { [CONTRACT]: PROGRAMS[name] ?? '', [OTHER]: '6001600155' }
    const [reference, ...others] = createEngines() as [Engine, ...Engine[]]
    const full = await openWorld(reference, codes).run(300_000n)
    const most = Number(full.outcome.status === 'success' ? 300_000n - full.outcome.gasLeft : 3_000n)
    const step = Math.max(1, Math.floor(most / 300))
    // Each of the first, where the edges of single instructions are, and a sample of the others.
    for (let gas = 0; gas <= most + step; gas += gas < 100 ? 1 : step) {
      const expected = await openWorld(reference, codes).run(BigInt(gas))
      for (const engine of others) {
        const run = await openWorld(engine, codes).run(BigInt(gas))
        expect({ gas, ...shown(run), refund: run.refund, logs: run.logs }).toEqual({
          ...{ gas, ...shown(expected), refund: expected.outcome.status === 'success' ? expected.refund : run.refund },
          logs: expected.outcome.status === 'success' ? expected.logs : run.logs,
        })
      }
    }
  })

  test('code that loops is decoded while it runs, and code that runs often before it runs', async () => {
    const [reference, fast] = createEngines() as [Engine, Engine]
    const worlds = [reference, fast].map((engine) => openWorld(engine, { [CONTRACT]: loop(1_000) }))
    for (let i = 0; i < 5; i++) {
      const [expected, run] = await Promise.all(worlds.map((world) => world.run(2n ** 40n)))
      expect(run).toEqual(expected)
    }
  })
})

describe('what gas cannot pay for', () => {
  /** Calls OTHER as often as gas lasts, each time with another word and so little gas that looking at what it names is out of the question. */
  const tries = (gas: number) =>
    `6110005b6001018060005260206000602060006000${to(OTHER)}61${gas.toString(16).padStart(4, '0')}f150600356`
  const looks = {
    ...{ balance: '5f3531', 'code size': '5f353b', 'code hash': '5f353f', 'copied code': '5f5f5f5f353c' },
    ...{ call: '5f5f5f5f5f5f355af1', staticcall: '5f5f5f5f5f355afa', 'an heir': '5f35ff', 'a slot': '5f3554' },
  }
  test.for(Object.entries(looks))('is not read from the store: %s', ([, code]) => {
    let reads = 0
    const memory = createMemoryState()
    const put = (n: number, hex: string) =>
      memory.put(bytesToHex(at(n)), { nonce: 1n, balance: 10n ** 18n, code: hexToBytes(`0x${hex}`), slots: [] })
    put(SENDER, '')
    put(OTHER, code)
    put(CONTRACT, tries(1_500))
    const state = createState({
      code: (hash) => memory.code(hash),
      account(address) {
        reads++
        return memory.account(address)
      },
      slot(address, key) {
        reads++
        return memory.slot(address, key)
      },
    })
    state.begin()
    const message = {
      origin: at(SENDER),
      caller: at(SENDER),
      gasPriceWei: 1n,
      to: at(CONTRACT),
      value: 0n,
      input: new Uint8Array(0),
      gas: 1_000_000n,
      forbidsCreation: false,
    }
    void createFastEngine({ chainId: 1n }).execute(message, state, block, new Map())
    expect(reads).toBeLessThan(10)
  })
})

describe('natives', () => {
  const NATIVE = 0x900
  const echo: Native = ({ kind, depth, caller, address, codeAddress, value, input, gas, isStatic, origin }, state) => {
    state.log({ address: at(NATIVE), topics: [], data: input.slice() })
    const facts = new TextEncoder().encode(`${kind} ${depth} ${value} ${gas} ${isStatic}`)
    const output = concat(caller, address, codeAddress, origin, input, facts)
    const status = input[31] === 1 ? 'revert' : input[31] === 2 ? 'fault' : 'success'
    return { gasUsed: status === 'fault' ? gas : 777n, status, output }
  }
  const table: NativeTable = new Map([[bytesToHex(at(NATIVE)), echo]])
  const withValue = (op: string, target: number): string => `60006000602060006007${to(target)}${push(50_000)}${op}`
  const without = (op: string, target: number): string => `6000600060206000${to(target)}${push(200_000)}${op}`
  const calls = { call: withValue('f1', NATIVE), callcode: withValue('f2', NATIVE) }
  const others = { delegatecall: without('f4', NATIVE), staticcall: without('fa', NATIVE) }
  const outer = { none: null, delegatecall: 'f4', staticcall: 'fa' }
  const cases = Object.entries({ ...calls, ...others }).flatMap(([kind, code]) =>
    Object.entries(outer).flatMap(([under, op]) => [0, 1, 2].map((end) => ({ kind, code, under, op, end }))),
  )
  test.for(cases)('$kind under $under that ends as $end', async ({ code, op, end }) => {
    // The input is a word that says how to end; the contract writes over it afterwards, and returns all that it heard.
    const inner = `60${end.toString().padStart(2, '0')}600052${code}6000523d600060203e3d6020016000f3`
    const codes =
      op === null
        ? { [CONTRACT]: inner }
        : { [CONTRACT]: `${without(op, OTHER)}6000523d600060203e3d6020016000f3`, [OTHER]: inner }
    const runs = []
    for (const engine of createEngines()) {
      const run = await openWorld(engine, codes, table).run(1_000_000n, new Uint8Array(0), 100n)
      runs.push({ ...shown(run), logs: run.logs, changes: run.changes })
    }
    for (const run of runs) expect(run).toEqual(runs[0])
  })

  test('nothing of a large input is copied before the native has taken its price', async () => {
    let heldBytes = 0
    const views: number[] = []
    const poor: Native = ({ input, gas }) => {
      views.push(input.length)
      heldBytes = Math.max(heldBytes, input.buffer.byteLength)
      return { gasUsed: gas, status: 'fault', output: new Uint8Array(0) }
    }
    // Calls it with 64 KB twice, and gives it no gas.
    const call = `6000600061fde86000${to(NATIVE)}6000fa`
    for (const engine of createEngines()) {
      views.length = heldBytes = 0
      await openWorld(engine, { [CONTRACT]: `${call}${call}00` }, new Map([[bytesToHex(at(NATIVE)), poor]])).run()
      expect(views, engine.name).toEqual([65_000, 65_000])
      expect(heldBytes, `${engine.name} shows its memory, which is larger`).toBeGreaterThan(65_000)
    }
  })

  test('what the machine throws inside one is no failed transaction, and the engine works again', async () => {
    const broken: Native = () => {
      throw new RangeError('Maximum call stack size exceeded')
    }
    const codes = { [CONTRACT]: `600160005260016020526000600060206000${to(NATIVE)}5afa00` }
    for (const engine of createEngines()) {
      const world = openWorld(engine, codes, new Map([[bytesToHex(at(NATIVE)), broken]]))
      await expect((async () => world.run())()).rejects.toThrow(RangeError)
      const { outcome } = await openWorld(engine, { [CONTRACT]: `600051${STORE_AND_RETURN}` }).run()
      expect(bytesToHex(outcome.output), engine.name).toBe(`0x${word(0)}`)
    }
  })
})
