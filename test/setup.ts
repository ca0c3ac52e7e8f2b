import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'

// Files share a process, and with it what is installed once for each: every one begins as a node's process does.
installCurves(nativeCurves)
