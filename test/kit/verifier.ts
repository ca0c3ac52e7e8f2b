// The Solidity verifier of the credential circuit, deployed to a chain of one node.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Interface } from 'ethers'
import type { Groth16Proof } from 'snarkjs'
import { assert } from '../../chain/base/errors.ts'
import { compile } from '../../contracts/build.ts'
import { alice, startRpcNode } from './rpc-node.ts'

const path = fileURLToPath(new URL('../../contracts/circuits/CredentialVerifier.sol', import.meta.url))

export interface Verifier {
  /** `gas` is that of a whole transaction that does nothing else; 0 where it fails. */
  verify(proof: Groth16Proof, signals: readonly string[]): Promise<{ readonly answer: boolean; readonly gas: number }>
  close(): Promise<void>
}

export async function deployVerifier(): Promise<Verifier> {
  const made = compile(path, readFileSync(path, 'utf8')).CredentialVerifier
  assert(made !== undefined, 'the verifier compiles')
  const abi = new Interface(JSON.stringify(made.abi))
  const node = await startRpcNode()
  const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 3_000_000 }
  const { chainId } = node.chain.genesis
  const { result: hash } = await node.call(
    'eth_sendRawTransaction',
    await alice.signTransaction({ ...fees, chainId, nonce: 0, data: `0x${made.bytecode}` }),
  )
  await node.mine()
  const { result } = await node.call('eth_getTransactionReceipt', hash)
  const { contractAddress: to } = result as { contractAddress: string } // the server under test
  return {
    async verify({ pi_a, pi_b, pi_c }, signals) {
      const g2 = pi_b.slice(0, 2).map(([real, imaginary]) => [imaginary, real])
      const data = abi.encodeFunctionData('verifyProof', [pi_a.slice(0, 2), g2, pi_c.slice(0, 2), signals])
      const [answer, gas] = await Promise.all([
        node.call('eth_call', { to, data }, 'latest'),
        node.call('eth_estimateGas', { to, data, from: alice.address }, 'latest'),
      ])
      return { answer: BigInt(String(answer.result ?? 0)) === 1n, gas: Number(gas.result ?? 0) }
    },
    close: () => node.close(),
  }
}
