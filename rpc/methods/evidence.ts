// nova_evidence and nova_submitEvidence: what validators are proven to have done, with the signatures that prove it.
import { type Address, bytesToHex, equalBytes } from '../../chain/base/bytes.ts'
import { address, count, data, object, oneOf, optional } from '../../chain/base/schema.ts'
import { SLASHING } from '../../chain/native/index.ts'
import { decodeNamed, encodeCall } from '../../chain/native/kit/abi.ts'
import { abi } from '../../chain/native/slashing/abi.ts'
import { encodeHeader, encodeSection } from '../../chain/types/block.ts'
import type { Json } from '../../chain/types/call.ts'
import { digestOf, type OffenceKind, type Testimony } from '../../chain/types/evidence.ts'
import type { KeptEvidence } from '../../chain/types/query.ts'
import type { Domain } from '../../chain/types/vote.ts'
import { certificateToJson, hexQuantity } from '../format.ts'
import { type Ctx, defineMethod } from '../method.ts'

/** Answered at a time; narrower filters show the others. */
const ROWS_MAX = 500

const optionalRound = (round: number | null): Json => (round === null ? null : hexQuantity(round))

/** `digest` is what the listed keys signed, so that any BLS library can check it. */
const testimonyToJson = ({ statement, bitmap, signature }: Testimony, domain: Domain): Json => ({
  type: statement.kind,
  height: hexQuantity(statement.height),
  round: hexQuantity(statement.round),
  ...(statement.kind === 'timeout'
    ? { hqcRound: optionalRound(statement.hqcRound) }
    : { blockHash: bytesToHex(statement.blockHash) }),
  ...(statement.kind === 'propose' && {
    justifyRound: optionalRound(statement.justifyRound),
    tcHash: statement.tcHash === null ? null : bytesToHex(statement.tcHash),
  }),
  bitmap: bytesToHex(bitmap),
  signature: bytesToHex(signature),
  digest: bytesToHex(digestOf(statement, domain)),
})

/** Whether all were punished for it, after the head; null where the network has no slashing. */
const isPunished = async (ctx: Ctx, { guilty, height, round, offence }: KeptEvidence): Promise<boolean | null> => {
  const { isPunished: asked, signingInfo } = abi.functions
  for (const { address } of guilty) {
    const output = await answerOf(ctx, encodeCall(asked, [address, BigInt(height), BigInt(round)]))
    if (output === null) return null
    if (decodeNamed(asked.outputs, output).punished) continue
    const info = offence === 'E5' ? await answerOf(ctx, encodeCall(signingInfo, [address])) : null
    if (info === null || !decodeNamed(signingInfo.outputs, info).info.tombstoned) return false
  }
  return true
}
/** Of slashing, after the head; null where there is none. */
const answerOf = async ({ chain, calls }: Ctx, input: Uint8Array): Promise<Uint8Array | null> => {
  const at = { height: chain.head().header.number, pending: false }
  const request = { ...NOTHING, to: SLASHING, input }
  const answer = await calls.run({ ...at, kind: 'call', request, state: [], block: null })
  return answer.kind === 'call' && answer.output.length > 0 ? answer.output : null
}
const NOTHING = {
  ...{ from: null, gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null, value: 0n },
  ...{ nonce: null, accessList: null, authorizations: null },
}

const evidenceToJson = (
  { id, evidence, bytes, ...of }: KeptEvidence,
  domain: Domain,
  punished: boolean | null,
): Json => ({
  id: bytesToHex(id),
  punished,
  offence: of.offence,
  height: hexQuantity(of.height),
  round: hexQuantity(of.round),
  validators: of.guilty.map((validator) => bytesToHex(validator.address)),
  ...(evidence.kind === 'conflict'
    ? { first: testimonyToJson(evidence.first, domain), second: testimonyToJson(evidence.second, domain) }
    : {
        header: bytesToHex(encodeHeader(evidence.header)),
        section: bytesToHex(encodeSection(evidence.section)),
        certificate: certificateToJson(evidence.qc),
        parent: evidence.parent === null ? null : bytesToHex(encodeHeader(evidence.parent)),
      }),
  raw: bytesToHex(bytes),
})

interface Filter {
  readonly validator: Address | null
  readonly offence: OffenceKind | null
  readonly fromHeight: number | null
  readonly toHeight: number | null
}
const fits = ({ guilty, offence, height }: KeptEvidence, filter: Filter): boolean => {
  const { validator } = filter
  if (validator !== null && !guilty.some((each) => equalBytes(each.address, validator))) return false
  if (filter.offence !== null && filter.offence !== offence) return false
  return height >= (filter.fromHeight ?? 0) && height <= (filter.toHeight ?? Number.MAX_SAFE_INTEGER)
}

const offence = oneOf('E1', 'E2', 'E3', 'E4', 'E5', 'E6')
const [validator, height] = [optional(address), optional(count)]
const filter = {
  ...object({ validator, offence: optional(offence), fromHeight: height, toHeight: height }),
  expected: 'an object: validator, offence (E1 to E6), fromHeight, toHeight, each or none',
}

export const evidenceMethods = [
  defineMethod('nova_evidence', {
    summary: `Proven offences of validators, newest first, at most ${ROWS_MAX}: both signed items, the raw proof, and whether slashing has punished for it.`,
    params: [['filter', optional(filter)]],
    async run(ctx, [given]) {
      const { domain } = ctx.chain.evidenceContext()
      const found = ctx.evidence.list().filter((kept) => given === null || fits(kept, given))
      const rows = found.slice(0, ROWS_MAX)
      const shown: Json[] = []
      for (const kept of rows) shown.push(evidenceToJson(kept, domain, await isPunished(ctx, kept)))
      return shown
    },
  }),
  defineMethod('nova_submitEvidence', {
    summary: 'Takes a raw proof, as nova_evidence or a light client has it, and tells all peers; returns its id.',
    params: [['raw', data]],
    run: ({ evidence }, [raw]) => bytesToHex(evidence.submit(raw)),
  }),
] as const
