// The module `did`: decentralised identifiers, the issuers and persons among them, the status of credentials, and statements in zero
// knowledge about these. What a function lets whom do is in the file of its part.
import { z } from 'zod'
import { type Address, asAddress, hexToBytes, type Word } from '../../base/bytes.ts'
import { describeDomain } from '../kit/eip712.ts'
import { defineModule, type Handlers } from '../kit/module.ts'
import { openStore, type Words } from '../kit/slots.ts'
import { abi } from './abi.ts'
import { changes } from './changes.ts'
import { layout } from './layout.ts'
import { persons, putIssuer, ROLES } from './persons.ts'
import { proofs, putVerifyingKey, verifyingKey } from './proofs.ts'
import type { DidReads } from './resolve.ts'
import { didDomain } from './signed.ts'
import { statuses } from './status.ts'
import { didOf, isNetworkName } from './uri.ts'
import { controllerOf, stateOf, versionAt, versionOf } from './versions.ts'

const handlers: Handlers<typeof abi, typeof layout> = {
  ...changes,
  ...persons,
  ...statuses,
  ...proofs,
  network: { gas: 200, run: ({ store }) => store.network.get() },
  didOf: { gas: 300, run: ({ store }, [identity]) => didOf(store.network.get(), identity) },
  controllerOf: { gas: 300, run: ({ store }, [identity]) => controllerOf(store, identity) },
  versionOf: { gas: 300, run: ({ store }, [identity]) => versionOf(store, identity) },
  versionAt: { gas: 300, run: ({ store }, [identity, time]) => BigInt(versionAt(store, identity, time)) },
  documentOf: {
    gas: 1_000,
    run({ store, revert }, [identity, version]) {
      const state = stateOf(store, identity, Number(version))
      return state ?? revert('VersionUnknown', { identity, version, latest: versionOf(store, identity).version })
    },
  },
  eip712Domain: { gas: 300, run: (call) => describeDomain(didDomain(call)) },
}

const NETWORK = 'polygon'
const ISSUERS_MAX = 1_000
const roleNames = Object.keys(ROLES) as [keyof typeof ROLES, ...(keyof typeof ROLES)[]] // there are some
const issuer = z.strictObject({
  address: z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected 0x and 40 hex digits'),
  roles: z.array(z.enum(roleNames)).min(1),
  name: z.string(),
})

export const did = defineModule({
  name: 'did',
  abi,
  layout,
  handlers,
  genesis: {
    schema: z
      .strictObject({
        network: z.string().refine(isNetworkName, 'expected 3 to 32 of a-z 0-9 -').default(NETWORK),
        issuers: z.array(issuer).max(ISSUERS_MAX).default([]),
        credentialKey: verifyingKey.optional(),
      })
      .default({ network: NETWORK, issuers: [] }),
    seed(ctx, { network, issuers, credentialKey }, { development }, refuse) {
      ctx.store.network.set(network)
      if (credentialKey !== undefined) {
        const reason = putVerifyingKey(ctx, credentialKey, development)
        if (reason !== null) refuse('credentialKey', reason)
      }
      for (const [i, { address, roles, name }] of issuers.entries()) {
        const account: Address = asAddress(hexToBytes(address))
        if (ctx.store.issuers.at(account).place.get() > 0n) refuse(`issuers.${i}.address`, 'it is there twice')
        const sum = [...new Set(roles)].reduce((bits, role) => bits | BigInt(ROLES[role]), 0n)
        const reason = putIssuer(ctx, { account, roles: sum, name })
        if (reason !== null) refuse(`issuers.${i}`, reason)
      }
    },
  },
})

/** Each word read once: fields of one slot, and rows that several questions begin with. */
const remembered = (words: Words): Words => {
  const known = new Map<Word, Word>()
  return {
    get(key) {
      const value = known.get(key) ?? words.get(key)
      known.set(key, value)
      return value
    },
    set: words.set,
  }
}

/** The reads that resolution needs, out of state and without a call. Of one resolution: they remember. */
export function didReads(words: Words, block: { readonly chainId: bigint; readonly time: number }): DidReads {
  const store = openStore(layout, remembered(words))
  return {
    ...block,
    network: store.network.get(),
    versionAt: (identity, time) => versionAt(store, identity, BigInt(time)),
    documentOf: (identity, version) => stateOf(store, identity, version),
  }
}
