// What a founder signs for its part of a genesis: which draft, which account bonds how much, which keys, what is said of it. Owns the
// file and its signatures: the operator's over EIP-712 typed data, which a wallet shows field by field, and over the same digest the
// validator key's, so that nobody can offer the key of another as its own.
import { SigningKey, TypedDataEncoder, verifyTypedData } from 'ethers'
import { z } from 'zod'
import { asHash, bytesToHex, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { MONIKER_MAX } from '../chain/types/genesis.ts'
import { possessionBytes, SignType, signBytes } from '../chain/types/vote.ts'
import { isPeerId, peerAddress } from '../p2p/identity.ts'
import { nameOf } from './keystore.ts'

export const GentxErrors = defineErrors('GENTX', {
  FORM: { text: (d: { file: string; reason: string }) => `${d.file} is no gentx: ${d.reason}` },
  FORGED: {
    text: (d: { file: string; who: string; what: string }) =>
      `${d.file}: ${d.who} did not sign ${d.what}: the file was altered, or made of two; ask its founder for it again`,
  },
})

/** The entry of a validator in the genesis, and where peers reach its node. */
export interface FounderPart {
  /** In lower case, as all hex here. */
  readonly operator: Hex
  readonly blsKey: Hex
  readonly proofOfPossession: Hex
  readonly stakeWei: bigint
  readonly commissionBps: number
  readonly moniker: string
  readonly peerId: string
  /** A multiaddr with the peer id at its end; null where it is not told. */
  readonly p2pAddress: string | null
}

export interface Gentx extends FounderPart {
  readonly chainId: number
  readonly draftHash: Hex
  readonly operatorSignature: Hex
  readonly blsSignature: Hex
}

const TYPES = {
  Gentx: [
    { name: 'draft', type: 'bytes32' },
    { name: 'operator', type: 'address' },
    { name: 'stake', type: 'uint256' },
    { name: 'commissionBps', type: 'uint16' },
    { name: 'moniker', type: 'string' },
    { name: 'blsKey', type: 'bytes' },
    { name: 'proofOfPossession', type: 'bytes' },
    { name: 'peerId', type: 'string' },
    { name: 'p2pAddress', type: 'string' },
  ],
}
type Unsigned = Omit<Gentx, 'operatorSignature' | 'blsSignature'>

const typedData = ({ chainId, draftHash, stakeWei, p2pAddress, ...rest }: Unsigned) => {
  const domain = { name: 'NovaChain gentx', version: '1', chainId }
  const { operator, commissionBps, moniker, blsKey, proofOfPossession, peerId } = rest
  const value = {
    ...{ draft: draftHash, operator, stake: stakeWei, commissionBps, moniker, blsKey, proofOfPossession, peerId },
    p2pAddress: p2pAddress ?? '',
  }
  return { domain, value }
}
const blsBytes = (gentx: Unsigned) => {
  const { domain, value } = typedData(gentx)
  const draft = { chainId: BigInt(gentx.chainId), genesisHash: asHash(hexToBytes(gentx.draftHash)) }
  return signBytes(draft, SignType.gentx, hexToBytes(TypedDataEncoder.hash(domain, TYPES, value)))
}

/** Deterministic: the same part is the same file to the byte. */
export function signGentx(
  part: Pick<Gentx, 'chainId' | 'draftHash' | 'stakeWei' | 'commissionBps' | 'moniker' | 'peerId' | 'p2pAddress'>,
  secrets: { readonly operator: Uint8Array; readonly validator: Uint8Array },
): Gentx {
  const key = nameOf('validator', secrets.validator)
  const unsigned: Unsigned = {
    ...part,
    operator: bytesToHex(nameOf('account', secrets.operator)),
    blsKey: bytesToHex(key),
    proofOfPossession: bytesToHex(curves().blsSign(secrets.validator, possessionBytes(key))),
  }
  const { domain, value } = typedData(unsigned)
  const { serialized } = new SigningKey(secrets.operator).sign(TypedDataEncoder.hash(domain, TYPES, value))
  return {
    ...unsigned,
    operatorSignature: serialized as Hex, // the library's own type for it is string
    blsSignature: bytesToHex(curves().blsSign(secrets.validator, blsBytes(unsigned))),
  }
}

export function renderGentx({ draftHash, stakeWei, p2pAddress, ...gentx }: Gentx): string {
  const { chainId, operator, commissionBps, moniker, blsKey, proofOfPossession, peerId } = gentx
  const { operatorSignature, blsSignature } = gentx
  const json = {
    ...{ format: FORMAT, chainId, draft: draftHash, operator, stake: stakeWei.toString(), commissionBps, moniker },
    ...{ blsKey, proofOfPossession, peerId },
    ...(p2pAddress === null ? {} : { p2pAddress }),
    ...{ operatorSignature, blsSignature },
  }
  return `${JSON.stringify(json, null, 2)}\n`
}

const FORMAT = 'novachain-gentx/1'
/** Bytes; real ones have about 1,200. */
export const GENTX_MAX_BYTES = 16 * 1024

const hex = (sizeBytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * sizeBytes}}$`), `expected 0x and ${2 * sizeBytes} hex digits`)
    .transform((text) => text.toLowerCase() as Hex) // just checked
const schema = z.strictObject({
  format: z.literal(FORMAT),
  chainId: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
  draft: hex(32),
  operator: hex(20),
  stake: z
    .string()
    .regex(/^[0-9]{1,37}$/, 'expected whole wei')
    .transform(BigInt),
  commissionBps: z.int().min(0).max(10_000),
  moniker: z.string().refine(isMoniker, `expected at most ${MONIKER_MAX} bytes of visible letters`),
  blsKey: hex(48),
  proofOfPossession: hex(96),
  peerId: z.string().refine(isPeerId, 'expected a libp2p peer id'),
  p2pAddress: z.string().optional(),
  operatorSignature: hex(65),
  blsSignature: hex(96),
})

/** Names end up on terminals: no control codes, no text that runs backwards. */
export function isMoniker(text: string): boolean {
  return new TextEncoder().encode(text).length <= MONIKER_MAX && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text)
}

/** Reads a gentx and checks that its operator and its validator key signed every word of it. Throws GENTX_FORM and GENTX_FORGED. */
export function parseGentx(text: string, file: string): Gentx {
  const refuse = (reason: string) => new NodeError(GentxErrors.FORM, { file, reason })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw refuse(`not JSON: ${cause instanceof Error ? cause.message : '?'}`)
  }
  const { data, error } = schema.safeParse(json)
  if (data === undefined) {
    const issue = error.issues[0]
    throw refuse(`${issue?.path.map(String).join('.') || '(root)'}: ${issue?.message ?? '?'}`)
  }
  const { format: _, draft: draftHash, stake: stakeWei, p2pAddress = null, ...rest } = data
  const gentx: Gentx = { ...rest, draftHash, stakeWei, p2pAddress }
  if (p2pAddress !== null && addressFault(p2pAddress, gentx.peerId) !== null)
    throw refuse(`p2pAddress: ${addressFault(p2pAddress, gentx.peerId)}`)
  checkSignatures(gentx, file)
  return gentx
}

const addressFault = (text: string, peerId: string): string | null => {
  try {
    return peerAddress(text, peerId).text === text ? null : `expected /p2p/${peerId} at its end`
  } catch (error) {
    if (error instanceof NodeError) return error.message
    throw error
  }
}

const checkSignatures = (gentx: Gentx, file: string): void => {
  const forged = (who: string, what: string) => new NodeError(GentxErrors.FORGED, { file, who, what })
  const { operator, blsKey } = gentx
  if (signerOf(gentx) !== operator) throw forged(`the operator ${operator}`, 'this')
  const key = hexToBytes(blsKey)
  const isSigned = (bytes: Uint8Array, signature: Hex): boolean =>
    curves().blsVerify([key], bytes, hexToBytes(signature))
  if (!isSigned(possessionBytes(key), gentx.proofOfPossession))
    throw forged(`the key ${blsKey}`, 'its proof of possession')
  if (!isSigned(blsBytes(gentx), gentx.blsSignature)) throw forged(`the key ${blsKey}`, 'this')
}

/** In lower case; null where the signature is none, or is spelled otherwise than it was made: its last byte is 27 or 28. */
const signerOf = (gentx: Gentx): string | null => {
  const { domain, value } = typedData(gentx)
  if (!/1[bc]$/.test(gentx.operatorSignature)) return null
  try {
    return verifyTypedData(domain, TYPES, value, gentx.operatorSignature).toLowerCase()
  } catch {
    return null // the library throws its own errors for what is no signature
  }
}
