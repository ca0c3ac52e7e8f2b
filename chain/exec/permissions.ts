// Whether a network's lists let a sender send and deploy, as transactions are refused by them. Owns the two refusals; the lists are `params`'.
import { bytesToHex, type Hex } from '../base/bytes.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { permissionsIn } from '../native/index.ts'
import type { Permissions } from '../native/params/permissions.ts'
import type { Reader } from '../types/state.ts'
import type { Tx } from '../types/tx.ts'

const PermissionErrors = defineErrors('TX', {
  SENDER_NOT_PERMITTED: {
    text: (d: { from: Hex }) =>
      `sender not permitted: address ${d.from} may not send on this network; its governance keeps the list of senders (params, 0x…0803)`,
  },
  DEPLOYER_NOT_PERMITTED: {
    text: (d: { from: Hex }) =>
      `contract creation not permitted: address ${d.from} may not deploy on this network; its governance keeps the list of deployers (params, 0x…0803)`,
  },
})

/** Throws TX_SENDER_NOT_PERMITTED and TX_DEPLOYER_NOT_PERMITTED. */
export function checkPermitted({ from, to }: Pick<Tx, 'from' | 'to'>, permissions: Permissions): void {
  if (!permissions.maySend(from)) throw new NodeError(PermissionErrors.SENDER_NOT_PERMITTED, { from: bytesToHex(from) })
  checkDeployer({ from, to }, permissions)
}
/** What a pool asks of each transaction, as of a state; null where everybody may. */
export function permissionCheck(reader: Reader): ((tx: Pick<Tx, 'from' | 'to'>) => void) | null {
  const permissions = permissionsIn(reader)
  return permissions === null ? null : (tx) => checkPermitted(tx, permissions)
}
/** Throws TX_DEPLOYER_NOT_PERMITTED. */
export function checkDeployer({ from, to }: Pick<Tx, 'from' | 'to'>, permissions: Permissions): void {
  if (to === null && !permissions.mayDeploy(from))
    throw new NodeError(PermissionErrors.DEPLOYER_NOT_PERMITTED, { from: bytesToHex(from) })
}
