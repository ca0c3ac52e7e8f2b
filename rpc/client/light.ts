// Drives a light client (`chain/light.ts`) from JSON-RPC alone: asks a node for hand-overs and the head, for proofs of accounts, and
// asks a witness. Nothing that a node says is believed but what the client verified. Runs in a browser.
import { type Address, bytesToHex, equalBytes, type Hash, type Word } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { address, type Codec, data, list, object, optional, quantity, string } from '../../chain/base/schema.ts'
import {
  type Checkpoint,
  decodeLightBlock,
  type HandOver,
  type LightClient,
  type LightConflict,
  LightErrors,
  provenState,
  type VerifiedBlock,
} from '../../chain/light.ts'
import { headerHash } from '../../chain/types/block.ts'
import { encodeEvidence } from '../../chain/types/evidence.ts'
import type { ProvenAccount } from '../../chain/types/proof.ts'
import type { Validator } from '../../chain/types/validators.ts'
import { type Call, ClientErrors, requestAll } from './http.ts'

/** A node: some calls, their results in the same order. */
export type Ask = (calls: readonly Call[]) => Promise<readonly unknown[]>
export const askOver =
  (url: string): Ask =>
  (calls) =>
    requestAll(url, calls)

/** Hand-overs asked for at once: 13 MB where each has the largest set. */
const BATCH = 32

/**
 * Follows the source from epoch to epoch to the block that it calls the newest, and returns that, verified. How new it is, its time
 * says; a source that withholds blocks looks like a network that stands still.
 */
export async function syncLight(client: LightClient, source: Ask, nowMs: () => number): Promise<VerifiedBlock> {
  const head = await askBlock(source, 'latest')
  const { epoch } = head.section
  while (client.epoch() < epoch) {
    const first = client.epoch()
    const count = Math.min(BATCH, epoch - first)
    const refs = Array.from({ length: count }, (_, i) => ({ epoch: `0x${(first + i).toString(16)}` }))
    for (const handOver of await askBlocks(source, refs)) client.advance(handOver, nowMs())
  }
  return client.verify(head, nowMs())
}

/** The rest of a checkpoint whose height and hash are trusted; `createLightClient` compares. */
export async function askCheckpoint(
  source: Ask,
  trusted: { readonly height: number; readonly hash: Hash },
): Promise<Checkpoint> {
  const [answer] = await source([{ method: UPDATE, params: [`0x${trusted.height.toString(16)}`, true] }])
  const update = decodeAnswer(UPDATE, updateCodec, answer)
  const { header, section } = decodeLightBlock(update)
  return { kind: 'block', ...trusted, header, section, validators: update.validators ?? [] }
}

/** An account, and words of its storage, as a verified block has them; null for no account. Throws PROOF_* where the proof fails. */
export async function askState(
  source: Ask,
  block: VerifiedBlock,
  account: Address,
  slots: readonly Word[] = [],
): Promise<{ readonly account: ProvenAccount | null; readonly slots: readonly Word[] }> {
  const keys = slots.map((slot) => `0x${slot.toString(16).padStart(64, '0')}`)
  const params = [bytesToHex(account), keys, { blockHash: bytesToHex(block.hash) }]
  const [answer] = await source([{ method: 'eth_getProof', params }])
  const { accountProof, storageProof } = decodeAnswer('eth_getProof', proofCodec, answer)
  if (storageProof.length !== slots.length) throw refused('eth_getProof', `${storageProof.length} storage proofs`)
  return provenState(block, account, {
    account: accountProof,
    slots: slots.map((key, i) => ({ key, nodes: storageProof[i]?.proof ?? [] })),
  })
}

/** `height` is the highest that could be compared: a witness may be behind, or say that it is. */
export interface CrossCheck {
  readonly height: number
  readonly conflict: LightConflict | null
}

/**
 * Compares the highest verified block that a witness has with the witness's. One hash stands for all that came before; where it
 * differs, the first kept height that differs is found by halving, for there both have the validators in common. Throws
 * LIGHT_UNKNOWN where there is none to compare.
 */
export async function crossCheckLight(client: LightClient, witness: Ask, nowMs: () => number): Promise<CrossCheck> {
  const { header } = await askBlock(witness, 'latest')
  const heights = client.heights().filter((height) => height <= header.number)
  const ask = (at: number): Promise<HandOver> => askBlock(witness, `0x${(heights[at] ?? 0).toString(16)}`)
  const agrees = (at: number, block: HandOver): boolean => {
    const kept = client.block(heights[at] ?? 0)
    return kept !== null && equalBytes(kept.hash, headerHash(block.header))
  }
  const top = heights.length - 1
  const height = heights[top]
  if (height === undefined) throw new NodeError(LightErrors.UNKNOWN, { height: header.number })
  let theirs = await ask(top)
  let high = agrees(top, theirs) ? 0 : top
  for (let low = 0; low < high; ) {
    const middle = (low + high) >> 1
    const block = await ask(middle)
    if (agrees(middle, block)) low = middle + 1
    else {
      high = middle
      theirs = block
    }
  }
  return { height, conflict: client.crossCheck(theirs, nowMs()) }
}

/**
 * Brings a conflict to a node that is on either side; it judges each proof by itself and passes on what holds. Answers the ids of
 * those it took: none from a node that cannot condemn anybody by them, as after a fork in different rounds.
 */
export async function reportConflict(node: Ask, { evidence }: LightConflict): Promise<readonly string[]> {
  const ids: string[] = []
  for (const proof of evidence) {
    const call = { method: 'nova_submitEvidence', params: [bytesToHex(encodeEvidence(proof))] }
    const id = await node([call]).then(
      ([answer]) => decodeAnswer(call.method, string, answer),
      (error: unknown) => {
        if (error instanceof NodeError && error.code === ClientErrors.ANSWER.code) return null
        throw error
      },
    )
    if (id !== null) ids.push(id)
  }
  return ids
}

const UPDATE = 'nova_getLightClientUpdate'

const askBlocks = async (source: Ask, refs: readonly unknown[]): Promise<readonly HandOver[]> => {
  const answers = await source(refs.map((ref) => ({ method: UPDATE, params: [ref] })))
  return refs.map((_, i) => {
    const update = decodeAnswer(UPDATE, updateCodec, answers[i])
    return { ...decodeLightBlock(update), nextValidators: update.nextValidators }
  })
}
const askBlock = async (source: Ask, ref: string): Promise<HandOver> => {
  const [block] = await askBlocks(source, [ref])
  if (block === undefined) throw refused(UPDATE, 'no answer')
  return block
}

const validatorCodec: Codec<Validator> = object({ address, blsKey: data, power: quantity })
const members = optional(list(validatorCodec, 2_048))
const updateCodec = object({
  header: data,
  section: data,
  certificate: data,
  validators: members,
  nextValidators: members,
})
const nodes = list(data, 65)
const proofCodec = object({ accountProof: nodes, storageProof: list(object({ proof: nodes }), 1_024) })

const refused = (method: string, message: string) => new NodeError(ClientErrors.ANSWER, { method, message })
const decodeAnswer = <T>(method: string, codec: Codec<T>, answer: unknown): T => {
  const decoded = codec.decode(answer)
  if (!decoded.ok) throw refused(method, `an answer that is not one: ${decoded.why}`)
  return decoded.value
}
