// Native signatures where the machine has them, portable ones where it has not. Owns the one guarded import of the native library.
import { type Curves, installCurves } from '../chain/base/crypto.ts'

const loadNative = async (): Promise<Curves> => (await import('../chain/base/crypto-native.ts')).nativeCurves

/** Whether they are native now. Where not, everything works, and `warn` hears how slowly and why. */
export async function installFastCurves(warn: (text: string) => void, load = loadNative): Promise<boolean> {
  try {
    installCurves(await load())
    return true
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    warn(
      'the native signature library (@chainsafe/blst, secp256k1) does not load on this machine, so signatures are checked ' +
        'in plain JavaScript, some twenty times slower: enough to look at a chain, not to be a validator among many. ' +
        `Run npm ci on this machine, without --omit=optional. Reason: ${reason}`,
    )
    return false
  }
}
