// doctor: what is wrong with a node, its folder and its machine, and what to type next. Looks at a node that runs and at one that does not,
// and writes nothing: not into the folder, and nowhere that lasts.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { peerIdOf } from '../../p2p/identity.ts'
import { request } from '../../rpc/client/http.ts'
import { type Command, exitCode } from '../args.ts'
import { installFastCurves } from '../curves.ts'
import type { Check } from '../doctor/check.ts'
import { checkConfig, checkGenesis, checkKeys, checkLocks, checkStopped, type Env } from '../doctor/folder.ts'
import {
  checkClockAlone,
  checkDescriptors,
  checkMemory,
  checkNtp,
  checkSpace,
  checkSync,
  checkVersion,
} from '../doctor/machine.ts'
import {
  checkClockByHead,
  checkPeers,
  checkPorts,
  checkReachable,
  checkRpcOpen,
  checkRunning,
  findRunning,
} from '../doctor/network.ts'
import { checkSigner } from '../doctor/signer.ts'
import { p2pKey } from '../identity.ts'
import { createSteps } from '../steps.ts'
import { ownUrlOf } from './folder.ts'
import { requireNodeDir } from './start.ts'

export const doctor: Command = {
  usage: 'doctor --dir <dir> [--rpc <url>] [--ntp <host>]',
  summary: 'What is wrong with a node, its folder and its machine, and what to type next; writes nothing.',
  argsMax: 0,
  options: {
    dir: 'folder of the node, running or not',
    rpc: 'URL of its JSON-RPC; default as its configuration says',
    ntp: 'time server to compare the clock with, host or host:port; without it nobody is asked',
  },
  async run({ flags, env, out }) {
    const dir = requireNodeDir(flags.dir ?? env.NOVACHAIN_DIR ?? '.')
    const steps = createSteps()
    steps.doing(`looks at ${dir}, its machine and its peers`)
    const checks = await examine({ dir, env, rpc: flags.rpc ?? null, ntp: flags.ntp ?? null })
    steps.close()
    const count = (state: Check['state']): number => checks.filter((each) => each.state === state).length
    const [warnings, failures] = [count('warn'), count('fail')]
    const isRefused = checks.some((each) => each.isRefused)
    out(
      {
        dir,
        ok: failures === 0,
        refused: isRefused,
        failures,
        warnings,
        checks: checks.map(({ id, state, found, next }) => ({ id, state, found, next })),
      },
      [...checks.flatMap(linesOf), `${checks.length} checks: ${failures} failed, ${warnings} to look at`].join('\n'),
    )
    return isRefused ? exitCode.refused : failures > 0 ? exitCode.failed : exitCode.ok
  },
}

const linesOf = ({ id, state, found, next }: Check): string[] => [
  `${state.padEnd(4)} ${id.padEnd(11)} ${found}`,
  ...(next === null ? [] : [`${' '.repeat(17)}-> ${next}`]),
]

interface Asked {
  readonly dir: string
  readonly env: Env
  readonly rpc: string | null
  readonly ntp: string | null
}

const examine = async ({ dir, env, rpc, ntp }: Asked): Promise<Check[]> => {
  const isNative = await installFastCurves(() => {})
  const { check: configCheck, config } = checkConfig(dir, env)
  const { check: genesisCheck, known } = await checkGenesis(dir)
  const checks: Check[] = [configCheck, genesisCheck]
  if (config === null || known === null)
    return [...checks, checkMemory(), checkVersion(null, isNative), await checkSync(dir)]

  const identity = resolve(dir, config['p2p.keyFile'])
  const url = rpc ?? ownUrlOf(config)
  const running = await findRunning(dir, url, existsSync(identity) ? await peerIdOf(p2pKey(identity)) : null)
  const { pid, info } = running
  const { checks: keyChecks, keys } = await checkKeys(dir, config, env)
  checks.push(...keyChecks, checkLocks(dir, keys, pid))
  // While the node has the lease, whoever else asks for it is refused.
  if (info !== null || pid === null) checks.push(...(await checkSigner(dir, config, known, info === null ? null : url)))
  // A database that a process has is its to speak of.
  const stopped = pid === null && info === null ? await checkStopped(dir, known, config, keys) : null
  checks.push(...(stopped?.checks ?? []), ...(info === null ? [] : await checkRunning(url)))

  const { blockTimeMs, time } = known.genesis
  if (ntp !== null) checks.push(await checkNtp(ntp))
  else if (info !== null) checks.push(await checkClockByHead(url, blockTimeMs))
  else checks.push(checkClockAlone(stopped?.head?.timeMs ?? 0, Date.now()))

  const head = stopped?.head?.height ?? (info === null ? 0 : Number(await request(url, 'eth_blockNumber')))
  const days = Math.min((head * blockTimeMs) / 86_400_000, (Date.now() / 1_000 - time) / 86_400)
  checks.push(await checkSpace(dir, head > 0 ? { days } : null), await checkSync(dir))
  checks.push(checkDescriptors(config, pid === null ? '/proc/self/limits' : `/proc/${pid}/limits`), checkMemory())
  checks.push(checkVersion(info?.name ?? null, isNative))
  checks.push(
    await checkPorts(config, running),
    await checkRpcOpen(config, running),
    await checkReachable(config, running),
  )
  const peers = info === null ? null : Number(await request(url, 'net_peerCount'))
  return [...checks, ...(await checkPeers(config, known.hash, peers))]
}
