// What `did` stores where. Nothing of a DID is ever overwritten but its record: a version is a row that names its keys and services by
// number, so that each version is read as fast as the newest, from the newest state alone. 64 bits of a time, 32 of a height.
import type { Call, Ctx } from '../kit/module.ts'
import {
  address,
  bytes,
  bytes32,
  defineLayout,
  list,
  map,
  type Store,
  slot,
  string,
  struct,
  uint,
} from '../kit/slots.ts'
import type { abi } from './abi.ts'

const version = struct({
  blockNumber: uint(32),
  updated: uint(64),
  /** Zero where this version is the end of the DID. */
  controller: address,
  /** At most sixteen numbers of 16 bits, the first in the lowest, counted from 1; 0 ends them. */
  keys: uint(256),
  services: uint(256),
})

export const layout = defineLayout({
  network: slot(0, string),
  /** By identity: its newest version, and how many keys and services it ever had. */
  records: slot(1, map('address', struct({ version: uint(32), keys: uint(16), services: uint(16) }))),
  /** By identity and number, from 1. */
  versions: slot(2, map('address', map('uint', version))),
  keys: slot(
    3,
    map(
      'address',
      map('uint', struct({ keyType: uint(8), purposes: uint(8), validUntil: uint(64), id: string, publicKey: bytes })),
    ),
  ),
  services: slot(4, map('address', map('uint', struct({ id: string, serviceType: string, endpoint: string })))),
  /** `place` in `issuerList` counted from 1, 0 for who never was one. */
  issuers: slot(5, map('address', struct({ place: uint(32), roles: uint(8), since: uint(64), name: string }))),
  issuerList: slot(6, list(address)),
  /** By identity; no issuer where nobody is bound. `nonce` counts the bindings. */
  bindings: slot(
    7,
    map(
      'address',
      struct({ issuer: address, nonce: uint(32), since: uint(64), validUntil: uint(64), person: bytes32 }),
    ),
  ),
  /** The identity that a person was last bound to; its binding says whether it still is. */
  persons: slot(8, map('bytes32', address)),
  /** By number, counted from 1. */
  statusLists: slot(9, list(struct({ issuer: address, purpose: uint(8), size: uint(32) }))),
  /** By list and index / 256, the lowest index highest. */
  statusBits: slot(10, map('uint', map('uint', uint(256)))),
  /** By list and segment. */
  anchors: slot(
    11,
    map('uint', map('uint', struct({ digest: bytes32, version: uint(32), updated: uint(64), uri: string }))),
  ),
  /** By list: what statements in zero knowledge about its credentials are checked against; zeros where there is nothing. */
  proofRoots: slot(12, map('uint', struct({ issuersRoot: uint(256), statusRoot: uint(256) }))),
  /** By context and nullifier. */
  presentations: slot(13, map('uint', map('uint', struct({ by: address, time: uint(64) })))),
  /** From genesis on: nothing, or the words of the key that `proofs.ts` says; and keccak of them. */
  verifyingKey: slot(14, list(uint(256))),
  verifyingKeyHash: slot(15, bytes32),
})

export type DidStore = Store<typeof layout>
export type DidCtx = Ctx<typeof abi, typeof layout>
export type DidCall = Call<typeof abi, typeof layout>
