// The poster's record on disk: what was written is there again, at whatever byte the power failed; what is not this poster's is put aside.
import { expect, test } from 'vitest'
import { asAddress, asHash } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import type { Log } from '../../chain/base/ports.ts'
import { openWal } from '../../chain/store/wal.ts'
import { Disk } from '../../test/kit/disk.ts'
import { type Draft, openRecord, type Posted, type Sender } from './record.ts'

const address = (byte: number) => asAddress(new Uint8Array(20).fill(byte))
const hash = (byte: number) => asHash(new Uint8Array(32).fill(byte))
const SENDER: Sender = { chainId: 80_002n, settlement: address(1), account: address(2) }
const FACTS = {
  ...{ firstHeight: 1, lastHeight: 9, emptyBlocks: 3, transactions: 70, sizeBytes: 900, blockBytes: 500 },
  oldestMs: 1_800_000_000_000,
}
const DRAFT: Draft = {
  ...{ seq: 4, previous: hash(1), accumulator: hash(2), nonce: 7n, gasLimit: 900_000n },
  ...{ payload: Uint8Array.of(1, 2, 3), facts: FACTS, builtOn: 77, isRepair: false },
  others: [5, 6].map((byte) => ({ dataHash: hash(byte), payload: Uint8Array.of(byte) })),
}
const attempt = (n: number) => ({ raw: Uint8Array.of(9, n), maxFeeWei: BigInt(100 * n), maxTipWei: BigInt(n) })
const POSTED: Posted = {
  ...{ seq: 4, facts: FACTS, parts: 3 },
  paid: [3, 4].map((byte) => ({ tx: hash(byte), callBytes: 1_000, gasUsed: 400_000n, gasPriceWei: 30n })),
}

const open = async (disk: Disk, sender = SENDER) => {
  const said: string[] = []
  const log: Log = { debug() {}, info() {}, warn: (_, text) => void said.push(text), error() {} }
  return { recorder: await openRecord(disk.open().log, sender, log), said }
}

test('every step is there again after the power failed right after it', async () => {
  const disk = new Disk()
  const again = async () => {
    disk.crash()
    return (await open(disk)).recorder
  }
  const { recorder } = await open(disk)
  await recorder.begin(DRAFT)
  expect((await again()).record).toEqual({
    ...DRAFT,
    dataHash: keccak(DRAFT.payload),
    part: 0,
    paid: [],
    attempts: [],
    state: 'built',
  })
  const second = await again()
  await second.attempt(attempt(1))
  await second.attempt(attempt(2))
  await second.mark('sent')
  const third = await again()
  expect(third.record).toMatchObject({
    state: 'sent',
    attempts: [1, 2].map((n) => ({ ...attempt(n), hash: keccak(attempt(n).raw) })),
  })
  await third.mark('included')
  await third.mark('sent')
  expect((await again()).record?.state).toBe('sent')
  const last = await again()
  await last.end(POSTED)
  await last.begin({ ...DRAFT, seq: 5 })
  const found = await again()
  expect([found.record?.seq, found.posted]).toEqual([5, POSTED])
})

test('a part that is begun has nothing of the one before it but what that cost', async () => {
  const disk = new Disk()
  const again = async () => {
    disk.crash()
    return (await open(disk)).recorder
  }
  const { recorder } = await open(disk)
  await recorder.begin(DRAFT)
  await recorder.attempt(attempt(1))
  await recorder.mark('included')
  const [paid] = POSTED.paid
  if (paid === undefined) expect.fail('it has some')
  await recorder.next({ part: 1, nonce: 8n, gasLimit: 5n }, paid)
  const second = await again()
  const part = { part: 1, nonce: 8n, gasLimit: 5n, payload: Uint8Array.of(5), dataHash: keccak(Uint8Array.of(5)) }
  expect(second.record).toEqual({ ...DRAFT, ...part, paid: [paid], attempts: [], state: 'built' })
  await second.attempt(attempt(2))
  await second.next({ part: 2, nonce: 9n, gasLimit: 6n }, null)
  expect((await again()).record).toMatchObject({
    part: 2,
    nonce: 9n,
    payload: Uint8Array.of(6),
    paid: [paid],
    attempts: [],
  })
})

test('a torn end is cut, wherever it was torn', async () => {
  const disk = new Disk()
  const { recorder } = await open(disk)
  await recorder.begin(DRAFT)
  const whole = disk.log.length
  await recorder.attempt(attempt(1))
  for (let size = disk.log.length - 1; size >= whole; size--) {
    const torn = new Disk()
    torn.log = disk.log.slice(0, size)
    torn.syncedBytes = size
    expect((await open(torn)).recorder.record).toMatchObject({ seq: 4, attempts: [] })
  }
})

test.each([
  ['another chain', { ...SENDER, chainId: 137n }],
  ['another contract', { ...SENDER, settlement: address(9) }],
  ['another account', { ...SENDER, account: address(9) }],
])('the record of %s is put aside and told', async (_, sender) => {
  const disk = new Disk()
  await (await open(disk)).recorder.begin(DRAFT)
  const { recorder, said } = await open(disk, sender)
  expect([recorder.record, said.length]).toEqual([null, 1])
  await recorder.begin({ ...DRAFT, seq: 1 })
  expect((await open(disk, sender)).recorder.record?.seq).toBe(1)
})

test('damage before the end begins it anew, and an entry of another version is refused', async () => {
  const disk = new Disk()
  const { recorder } = await open(disk)
  await recorder.begin(DRAFT)
  await recorder.attempt(attempt(1))
  disk.log[30] = (disk.log[30] ?? 0) ^ 1
  const { recorder: fresh, said } = await open(disk)
  expect([fresh.record, disk.log.length, said.length]).toEqual([null, 0, 1])
  const newer = new Disk()
  await (await openWal(newer.open().log)).append(99, new Uint8Array(0), { sync: true })
  await expect(open(newer)).rejects.toMatchObject({ code: 'POSTING_UNKNOWN' })
})
