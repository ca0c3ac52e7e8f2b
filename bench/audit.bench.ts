// Records of VM states in batches of 100, from a block's build to its commit, roots and receipts included, on a store in memory: how
// many a second, and what a batch costs its sender. CPU time of this process.
import { Wallet } from 'ethers'
import { bigintToFixed, bytesToHex, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { abi } from '../chain/native/audit/abi.ts'
import { encodeCall } from '../chain/native/kit/abi.ts'
import { openMemoryChain } from '../test/kit/memory-chain.ts'

const BATCHES = process.env.SMOKE === '1' ? 5 : 100
const ROUNDS = process.env.SMOKE === '1' ? 2 : 5
const sender = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const idOf = (i: number): Uint8Array => keccak(bigintToFixed(BigInt(i), 8))

const { chain, build, certify } = await openMemoryChain()
let nonce = 0
const submit = async (batch: number, sequence: bigint): Promise<void> => {
  const records = Array.from({ length: 100 }, (_, i) => ({
    ...{ vmId: idOf(batch * 100 + i), contentDigest: keccak(bigintToFixed(BigInt(nonce * 100 + i), 8)) },
    ...{ codec: 0x55n, sequence },
  }))
  const signed = await sender.signTransaction({
    ...{ chainId: 662607, nonce: nonce++, to: '0x0000000000000000000000000000000000000840', type: 2 },
    ...{ data: bytesToHex(encodeCall(abi.functions.recordVmStates, [records])), gasLimit: 16_000_000 },
    ...{ maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 0n },
  })
  await chain.submit(hexToBytes(signed as Hex), 'local')
}

for (let round = 1; round <= ROUNDS; round++) {
  let [records, buildMs, commitMs, gas] = [0, 0, 0, 0n]
  // What one sender may have waiting is less than a round.
  for (let first = 0; first < BATCHES; first += 25) {
    const last = Math.min(first + 25, BATCHES)
    for (let batch = first; batch < last; batch++) await submit(batch, BigInt(round))
    const start = process.cpuUsage()
    const block = await build(60_000)
    const built = process.cpuUsage(start)
    await chain.commit(block, certify(block))
    const all = process.cpuUsage(start)
    buildMs += (built.user + built.system) / 1_000
    commitMs += (all.user + all.system - built.user - built.system) / 1_000
    records += 100 * block.txs.length
    gas += block.header.gasUsed
  }
  const rate = Math.round((records / (buildMs + commitMs)) * 1_000)
  const price = (Number(gas) / (records / 100)).toFixed(0)
  console.log(
    `${round === 1 ? 'new' : 'known'} VMs: ${records} records, build ${buildMs.toFixed(0)} ms, commit ${commitMs.toFixed(0)} ms: ` +
      `${rate} a second; ${price} gas for 100`,
  )
}
await chain.close()
