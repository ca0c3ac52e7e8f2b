// The light client: a year of hourly epochs, each a header, a section, a certificate and now and then a new set, from bytes to
// trust. CPU time of the client alone; the chain is made beside it. Ends with the cost an epoch of the portable curves.
import { asHash } from '../chain/base/bytes.ts'
import { installCurves, portableCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { createLightClient, decodeLightBlock, type LightNetwork } from '../chain/light.ts'
import { encodeHeader, encodeSection } from '../chain/types/block.ts'
import { encodeQc } from '../chain/types/vote.ts'
import { certifiedBlock, type Signers, START_SECONDS, signersFrom } from '../test/kit/light-chain.ts'

const isSmoke = process.env.SMOKE === '1'
const EPOCHS = Number(process.env.EPOCHS ?? (isSmoke ? 50 : 8_760))
const PORTABLE_EPOCHS = isSmoke ? 2 : 20
/** A year is longer than any trusting period; the client here is one that looks in now and then. */
const FOREVER = { trustingPeriodMs: 10 * 365 * 86_400_000 }
const network: LightNetwork = { chainId: 5n, genesisHash: asHash(new Uint8Array(32).fill(7)), epochBlocks: 1_200 }

const seedsOf = (size: number, shift: number): number[] => Array.from({ length: size }, (_, i) => i + shift)

/** Advances by `epochs` and prints what that cost. `changeEvery` epochs one validator is replaced; 0 for never. */
const run = (name: string, size: number, epochs: number, changeEvery: number): void => {
  let signers: Signers = signersFrom(seedsOf(size, 0))
  const genesis = { kind: 'genesis', timeMs: START_SECONDS * 1_000, validators: signers.set } as const
  const client = createLightClient(network, genesis, FOREVER, START_SECONDS * 1_000)
  let parentHash = network.genesisHash
  let cpuMicros = 0
  let wallMs = 0
  let sizeBytes = 0
  for (let epoch = 0; epoch < epochs; epoch++) {
    const changes = changeEvery > 0 && (epoch + 1) % changeEvery === 0
    const next = changes ? signersFrom(seedsOf(size, epoch + 1)) : signers
    const made = certifiedBlock(network, { height: client.nextHandOver(), parentHash, signers, next })
    const [header, section] = [encodeHeader(made.header), encodeSection(made.section)]
    const parts = { header, section, certificate: encodeQc(made.certificate) }
    for (const part of Object.values(parts)) sizeBytes += part.length
    const nowMs = made.header.time * 1_000
    const cpu = process.cpuUsage()
    const started = performance.now()
    const nextValidators = changes ? made.nextValidators : null
    parentHash = client.advance({ ...decodeLightBlock(parts), nextValidators }, nowMs).hash
    const { user, system } = process.cpuUsage(cpu)
    cpuMicros += user + system
    wallMs += performance.now() - started
    signers = next
  }
  const each = `${(cpuMicros / 1_000 / epochs).toFixed(2)} ms CPU and ${(sizeBytes / epochs).toFixed(0)} bytes an epoch`
  const sum = `${(cpuMicros / 1e6).toFixed(1)} s CPU, ${(wallMs / 1_000).toFixed(1)} s`
  console.log(`${name.padEnd(56)} ${epochs} epochs: ${sum}; ${each}`)
}

installCurves(nativeCurves)
run('native, 4 validators, the set stays', 4, EPOCHS, 0)
run('native, 4 validators, one replaced every epoch', 4, EPOCHS, 1)
run('native, 100 validators, the set stays', 100, EPOCHS, 0)
run('native, 100 validators, one replaced every day', 100, EPOCHS, 24)
installCurves(portableCurves)
run('portable, 4 validators, the set stays', 4, PORTABLE_EPOCHS, 0)
run('portable, 100 validators, the set stays', 100, PORTABLE_EPOCHS, 0)
