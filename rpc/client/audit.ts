// What a back end does with the audit module: records states of VMs, asks whether content is one of them, appends to audit trails. Owns
// the shapes in which its users see them: ids and digests as 0x text, times in seconds. Runs in a browser.
import { sha256, type TransactionReceipt } from 'ethers'
import { bytesToHex, concat, type Hex } from '../../chain/base/bytes.ts'
import { abi } from '../../chain/native/audit/abi.ts'
import { bindContract, type Runner, unlessRefused } from './contract.ts'
import { addressOf, bytesOf, countOf, kindOf } from './values.ts'

/** Where the module is, on every network. */
export const AUDIT: Hex = '0x0000000000000000000000000000000000000840'

/** 32 bytes as 0x text. */
export type Id = string

/** Multicodecs of content: bytes as they are, and the root of a file in pieces (UnixFS). */
export const Codec = { raw: 0x55, dagPb: 0x70 } as const

export interface VmStateRecord {
  readonly vmId: Id
  /** Of the content's multihash: `digestOf` of the bytes, or what `nova_putContent` answers. */
  readonly contentDigest: Id
  /** `Codec.raw` where it is not given. */
  readonly codec?: number
  /** One more than that of the state before; looked up where it is not given, which is right while nobody else records this VM. */
  readonly sequence?: number
}
export interface VmState {
  readonly owner: Id
  readonly contentDigest: Id
  readonly codec: number
  readonly sequence: number
  /** Seconds: time of the block that recorded it. */
  readonly recordedAt: number
}
export type PastVmState = Pick<VmState, 'contentDigest' | 'codec' | 'sequence'>
/** `intact`: the content is the newest state. `outdated`: one of the hundred before. `tampered`: neither. */
export type Integrity =
  | { readonly status: 'intact'; readonly state: VmState }
  | { readonly status: 'outdated'; readonly state: VmState; readonly sequence: number }
  | { readonly status: 'tampered'; readonly state: VmState }
  | { readonly status: 'unknown' }
export interface Audit {
  readonly subject: Id
  /** Up to 31 bytes of text, or 32 bytes as 0x text. */
  readonly kind: string
  readonly contentDigest: Id
}
export interface AuditClient {
  recordVmState(record: VmStateRecord): Promise<TransactionReceipt>
  /** 1 to 100 in one transaction, all or none. */
  recordVmStates(records: readonly VmStateRecord[]): Promise<TransactionReceipt>
  /** The newest state; null of a VM that has none. */
  getVmState(vmId: Id): Promise<VmState | null>
  /** At most 100 past states from a sequence on. */
  getVmHistory(vmId: Id, page?: { readonly from?: number; readonly count?: number }): Promise<readonly PastVmState[]>
  /** Compares bytes, or a digest, with what is recorded. */
  verifyStateIntegrity(vmId: Id, content: Uint8Array | Id): Promise<Integrity>
  /** Appends to a subject's chain; answers the entry's index and the chain's new head. */
  createAudit(
    audit: Audit,
  ): Promise<{ readonly index: number; readonly head: Id; readonly receipt: TransactionReceipt }>
}

/** SHA-256, which is what a record's digest of raw content is. */
export const digestOf = (content: Uint8Array): Id => sha256(content)

/** An id that nobody but `owner` can write under first: 20 bytes of address, four bytes 0xff, eight of a number. */
export function ownId(owner: string, number: bigint): Id {
  const tail = bytesOf('number', `0x${number.toString(16).padStart(16, '0')}`, 8)
  return bytesToHex(concat(addressOf('owner', owner), new Uint8Array(4).fill(0xff), tail))
}

export function auditClient(runner: Runner): AuditClient {
  const audit = bindContract({ abi, at: AUDIT, runner })
  const getVmState: AuditClient['getVmState'] = async (vmId) => {
    const [state] = (await unlessRefused('NoSuchVm', audit.read('stateOf', bytesOf('vmId', vmId, 32)))) ?? []
    if (state === undefined) return null
    const { owner, contentDigest, codec, sequence, recordedAt } = state
    return {
      ...{ owner: bytesToHex(owner), contentDigest: bytesToHex(contentDigest) },
      ...{ codec: Number(codec), sequence: Number(sequence), recordedAt: Number(recordedAt) },
    }
  }
  const getVmHistory: AuditClient['getVmHistory'] = async (vmId, { from = 1, count = 100 } = {}) => {
    const page = audit.read(
      'history',
      bytesOf('vmId', vmId, 32),
      countOf('from', from, 32),
      countOf('count', count, 32),
    )
    const [states] = (await unlessRefused('NoSuchVm', page)) ?? [[]]
    return states.map(({ contentDigest, codec, sequence }) => ({
      ...{ contentDigest: bytesToHex(contentDigest), codec: Number(codec), sequence: Number(sequence) },
    }))
  }
  const recordOf = async ({ vmId, contentDigest, codec = Codec.raw, sequence }: VmStateRecord) => ({
    vmId: bytesOf('vmId', vmId, 32),
    contentDigest: bytesOf('contentDigest', contentDigest, 32),
    codec: countOf('codec', codec, 24),
    sequence: countOf('sequence', sequence ?? ((await getVmState(vmId))?.sequence ?? 0) + 1, 32),
  })

  return {
    getVmState,
    getVmHistory,
    async recordVmState(record) {
      const { vmId, contentDigest, codec, sequence } = await recordOf(record)
      return audit.send('recordVmState', vmId, contentDigest, codec, sequence)
    },
    recordVmStates: async (records) => audit.send('recordVmStates', await Promise.all(records.map(recordOf))),
    async verifyStateIntegrity(vmId, content) {
      const state = await getVmState(vmId)
      if (state === null) return { status: 'unknown' }
      const digest = typeof content === 'string' ? bytesToHex(bytesOf('content', content, 32)) : digestOf(content)
      if (digest === state.contentDigest) return { status: 'intact', state }
      const past = await getVmHistory(vmId, { from: Math.max(1, state.sequence - 99) })
      const found = past.findLast(({ contentDigest }) => contentDigest === digest)
      return found === undefined
        ? { status: 'tampered', state }
        : { status: 'outdated', state, sequence: found.sequence }
    },
    async createAudit({ subject, kind, contentDigest }) {
      const id = bytesOf('subject', subject, 32)
      const receipt = await audit.send('audit', id, kindOf(kind), bytesOf('contentDigest', contentDigest, 32))
      const log = receipt.logs.find(({ topics }) => topics[0] === abi.events.Audited.topic)
      const [index = '0x0', , , head = '0x'] = words(log?.data ?? '0x')
      return { index: Number(index), head, receipt }
    },
  }
}

const words = (data: string): readonly Hex[] => (data.slice(2).match(/.{64}/g) ?? []).map((word): Hex => `0x${word}`)
