// What `audit` stores where. A record of a known VM changes one slot and writes a new one, of a new VM it writes two: all that is
// known of the newest state but its digest shares a slot, which seconds of 40 bits and codecs of 24 make room for.
import type { Call } from '../kit/module.ts'
import { address, bool, bytes32, defineLayout, map, slot, struct, uint } from '../kit/slots.ts'
import type { abi } from './abi.ts'

const subject = struct({
  /** Zero until somebody writes. */
  owner: address,
  /** Of the newest state of a VM; 0 where no state was recorded. */
  sequence: uint(32),
  recordedAt: uint(40),
  codec: uint(24),
  /** Entries of its audit trail. */
  entries: uint(64),
  /** How often a VM's codec changed. */
  codecChanges: uint(32),
  head: bytes32,
})
const entry = struct({ kind: bytes32, contentDigest: bytes32, author: address, recordedAt: uint(40) })

export const layout = defineLayout({
  subjects: slot(0, map('bytes32', subject)),
  /** By VM and sequence. The newest is there too, nowhere twice. */
  digests: slot(1, map('bytes32', map('uint', bytes32))),
  /** By VM and number of the change, from 0: the codec it had, and the last state with it. Few VMs ever change theirs, so a past
   * state has no slot for it. */
  codecs: slot(2, map('bytes32', map('uint', struct({ until: uint(32), codec: uint(24) })))),
  /** By subject and index. */
  entries: slot(3, map('bytes32', map('uint', entry))),
  /** By id, owner and writer: whoever owns it next begins without writers. */
  writers: slot(4, map('bytes32', map('address', map('address', bool)))),
  /** By owner and writer. */
  writersForAll: slot(5, map('address', map('address', bool))),
})

export type AuditCall = Call<typeof abi, typeof layout>
