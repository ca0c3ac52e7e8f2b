// The certificate that opens the inbox, as bytes: what `deliver` and its like take as their proof. Pure; relayers and validators make it, `proof.ts` judges it.
import { encodeValues, type Positional } from '../kit/abi.ts'

/** Whose epoch, who of its set by place, and the aggregate of their signatures. */
export const PROOF = [
  ['epoch', 'uint64'],
  ['signers', 'bytes'],
  ['signature', 'bytes'],
] as const

export type Proof = Positional<typeof PROOF>
export const encodeProof = (proof: Proof): Uint8Array => encodeValues(PROOF, proof)
