// How far a chain was looked at, as text in a file: watchers and relayers go on from there after a restart.
import { type Address, asAddress, asHash, bytesToHex, type Hash, hexToBytes } from '../../chain/base/bytes.ts'

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

/** As it is kept: of one contract, for another one counts anew. */
export interface KeptPlace {
  readonly contract: Address
  readonly place: Place
}
export const writePlace = ({ height, hash, sequence }: Place, contract: Address): string => {
  const fields = { height, hash: hash === null ? null : bytesToHex(hash) }
  return `${JSON.stringify({ contract: bytesToHex(contract), ...fields, sequence: sequence === null ? '' : String(sequence) })}\n`
}
/** null: it is unreadable. */
export const readPlace = (text: string): KeptPlace | null => {
  const pattern =
    /^\{"contract":"(0x[0-9a-f]{40})","height":(\d{1,15}),"hash":"(0x[0-9a-f]{64})","sequence":"(\d{0,20})"\}\n$/
  const found = pattern.exec(text)
  if (found === null) return null
  const [, contract, height, hash, sequence] = found
  const place = {
    height: Number(height),
    hash: asHash(hexToBytes(hash ?? '')),
    sequence: sequence === '' ? null : BigInt(sequence ?? 0),
  }
  return { contract: asAddress(hexToBytes(contract ?? '')), place }
}
