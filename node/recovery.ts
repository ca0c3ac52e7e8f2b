// What the write-ahead log holds of the height under way. Owns what is believed of it: a log may be of another network, or of heights
// that the store has, or ahead of a store that was lost.
import { equalBytes } from '../chain/base/bytes.ts'
import type { Chain } from '../chain/chain.ts'
import { faultOf } from '../chain/consensus/check.ts'
import type { Logged } from '../chain/consensus/io.ts'
import type { WalRecord } from '../chain/store/wal.ts'
import { type Block, decodeBlock } from '../chain/types/block.ts'
import { decodeMessage, heightOf, isSignedMessage, type Message, type Signed } from '../chain/types/message.ts'
import { decodeLogged, RECORDS } from './logged.ts'

export interface Recovered {
  /** Judged valid before, and children of the head. */
  readonly bodies: readonly Block[]
  /** Inputs of the next height, in order. */
  readonly inputs: readonly Logged[]
  /** What was said to be signed here, of any height and unchecked: a height far above the store has no set to check by. */
  readonly own: readonly Signed[]
  /** Records of the next height that this network did not sign. */
  readonly foreign: number
}

/** Certificates and signatures are checked anew: it costs a few milliseconds a height. */
export function readLog(records: readonly WalRecord[], chain: Chain): Recovered {
  const head = chain.head()
  const height = head.header.number + 1
  const domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
  const set = chain.validators()
  const isSound = (message: Message): boolean => faultOf(message, set, domain) === null
  const bodies: Block[] = []
  const inputs: Logged[] = []
  const own: Signed[] = []
  let foreign = 0
  for (const { type, payload } of records)
    switch (type) {
      case RECORDS.body: {
        const block = decodeBlock(payload)
        if (block.header.number !== height) break
        if (equalBytes(block.header.parentHash, head.hash)) bodies.push(block)
        else foreign++
        break
      }
      case RECORDS.input: {
        const input = decodeLogged(payload)
        if (heightOfLogged(input) !== height) break
        if (input.kind !== 'message' || isSound(input.message)) inputs.push(input)
        else foreign++
        break
      }
      case RECORDS.own: {
        const message = decodeMessage(payload)
        if (isSignedMessage(message)) own.push(message)
        break
      }
    }
  return { bodies, inputs, own, foreign }
}

const heightOfLogged = (input: Logged): number => (input.kind === 'message' ? heightOf(input.message) : input.height)
