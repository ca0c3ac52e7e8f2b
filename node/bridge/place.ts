// How far a chain was looked at, as text in a file: watchers and relayers go on from there after a restart.
import { asHash, bytesToHex, type Hash, hexToBytes } from '../../chain/base/bytes.ts'

/** A block up to which everything was looked at, and the last message until there. */
export interface Place {
  readonly height: number
  /** null before the first look. */
  readonly hash: Hash | null
  /** null before the first: where the watch began, that need not be the first that was sent. */
  readonly sequence: bigint | null
}
/** Whole or as it was. */
export interface PlaceFile {
  read(): Promise<string | null>
  replace(text: string): Promise<void>
}

export const writePlace = ({ height, hash, sequence }: Place): string =>
  `${JSON.stringify({ height, hash: hash === null ? null : bytesToHex(hash), sequence: sequence === null ? '' : String(sequence) })}\n`
/** null: it is unreadable. */
export const readPlace = (text: string): Place | null => {
  const found = /^\{"height":(\d{1,15}),"hash":"(0x[0-9a-f]{64})","sequence":"(\d{0,20})"\}\n$/.exec(text)
  if (found === null) return null
  const [, height, hash, sequence] = found
  return {
    height: Number(height),
    hash: asHash(hexToBytes(hash ?? '')),
    sequence: sequence === '' ? null : BigInt(sequence ?? 0),
  }
}
