import { installCurves, portableCurves } from '../chain/base/crypto.ts'

// Files share a process, and with it what is installed once for each: every one begins with the curves that an import gives.
installCurves(portableCurves)
