// A settlement contract on an EVM chain of tests: validators with consensus and operator keys, the contract behind its proxy, and what is
// posted to it. Blocks, sets and hand-overs are those of the light client's tests.
import { asAddress, asHash, bigintToFixed, bytesToHex, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, keccak } from '../../chain/base/crypto.ts'
import type { HandOver, LightNetwork } from '../../chain/light.ts'
import { encodeHeader, encodeSection, headerHash } from '../../chain/types/block.ts'
import { checkpointDigest, encodeBlsCertificate, encodeEcdsaCertificate } from '../../chain/types/checkpoint.ts'
import { createValidatorSet, isEpochEnd, validatorsHash } from '../../chain/types/validators.ts'
import { NovaProxy } from '../../contracts/governed/NovaProxy.artifact.ts'
import { BlsCheckpointVerifier } from '../../contracts/settlement/BlsCheckpointVerifier.artifact.ts'
import { EcdsaCheckpointVerifier } from '../../contracts/settlement/EcdsaCheckpointVerifier.artifact.ts'
import { NovaSettlement } from '../../contracts/settlement/NovaSettlement.artifact.ts'
import { type Artifact, account, type Contract, type Evm, SENDER } from './evm.ts'
import { type LightChain, type Signers, signersFrom } from './light-chain.ts'

export interface Operators extends Signers {
  /** secp256k1, in set order. */
  readonly operatorSecrets: readonly Uint8Array[]
}

/** Like `signersFrom`, with accounts of keys that sign; of power 10, or as it is given. */
export function operatorsFrom(seeds: readonly number[], powers: readonly bigint[] = []): Operators {
  const made = seeds.map((seed, i) => {
    const { set, secrets } = signersFrom([seed])
    const operator = keccak(bigintToFixed(BigInt(seed), 32))
    const address = asAddress(keccak(curves().publicKey(operator)).subarray(12))
    const validator = { address, blsKey: set.members[0]?.blsKey ?? new Uint8Array(48), power: powers[i] ?? 10n }
    return { validator, operator, secret: secrets[0] ?? new Uint8Array(32) }
  })
  const set = createValidatorSet(made.map(({ validator }) => validator))
  const inOrder = set.members.flatMap((member) => made.filter(({ validator }) => validator === member))
  const [secrets, operatorSecrets] = [inOrder.map((each) => each.secret), inOrder.map((each) => each.operator)]
  return { set, hash: validatorsHash(set), secrets, operatorSecrets }
}

export const operatorCertificate = (
  network: LightNetwork,
  block: { readonly height: number; readonly blockHash: Hash },
  { set, operatorSecrets }: Operators,
  by: readonly number[] = [...set.members.keys()],
): Uint8Array => {
  const digest = checkpointDigest(network, block)
  const sign = (i: number) => curves().sign(digest, operatorSecrets[i] as Uint8Array)
  return encodeEcdsaCertificate(block.height, set, new Map(by.map((i) => [i, sign(i)])))
}

export type Scheme = 'bls' | 'ecdsa'
export const GENESIS_STATE_ROOT = asHash(keccak(Uint8Array.of(77)))

export const deployVerifier = (evm: Evm, scheme: Scheme, network: LightNetwork): Promise<Contract> =>
  evm.deploy(scheme === 'bls' ? BlsCheckpointVerifier : EcdsaCheckpointVerifier, [
    ...[network.chainId, bytesToHex(network.genesisHash)],
  ])

/** Behind a proxy, initialised in the same transaction. */
export async function deployGoverned(
  evm: Evm,
  artifact: Artifact,
  args: readonly unknown[],
  built: readonly unknown[] = [],
): Promise<Contract> {
  const code = await evm.deploy(artifact, built)
  const proxy = await evm.deploy(NovaProxy, [code.hex, code.abi.encodeFunctionData('initialize', args)])
  return evm.at(proxy.address, artifact.abi)
}

export const OWNER = account(9)

/** Posted to by `SENDER`. */
export async function deploySettlement(
  evm: Evm,
  verifier: Contract,
  chain: LightChain,
  owner = OWNER,
): Promise<Contract> {
  const { genesisHash, epochBlocks } = chain.network
  const genesis = [genesisHash, GENESIS_STATE_ROOT, chain.signers(0).hash, epochBlocks]
  return deployGoverned(evm, NovaSettlement, [...[bytesToHex(owner), genesis, verifier.hex, [bytesToHex(SENDER)]]])
}

/** Header, and section where it is asked for. */
export const checkpointOf = (
  { header, section }: HandOver,
  { epochBlocks }: LightNetwork,
): readonly [Uint8Array, Uint8Array] => [
  encodeHeader(header),
  isEpochEnd(header.number, epochBlocks) ? encodeSection(section) : new Uint8Array(0),
]

/** The certificate that came with the block, or by operator keys. */
export const certificateOf = (block: HandOver, signers: Signers, network: LightNetwork, scheme: Scheme): Uint8Array =>
  scheme === 'bls'
    ? encodeBlsCertificate(block.certificate, signers.set)
    : operatorCertificate(
        network,
        { height: block.header.number, blockHash: headerHash(block.header) },
        signers as Operators,
      )

export const word = (value: unknown): Uint8Array => hexToBytes(String(value))
