// Those who use a simulated network of whole nodes: operators that look after their validators, users that delegate,
// governance, and a vandal. Each sends ordinary transactions to a node that is up, and judges by what that node shows.
import { equalBytes, type Hex } from '../../chain/base/bytes.ts'
import { curves, keccak } from '../../chain/base/crypto.ts'
import type { Chain } from '../../chain/chain.ts'
import { encodeEvidence, evidenceOf, type Testimony } from '../../chain/types/evidence.ts'
import type { KeptEvidence } from '../../chain/types/query.ts'
import { ownerPayload, readyPayload, SignType, signBytes } from '../../chain/types/vote.ts'
import { type Ask, booksAt, COURT, callTo, PARAMS, STAKES } from './books.ts'
import type { Kernel } from './kernel.ts'
import type { Random } from './random.ts'
import { type Account, type Operator, START_MS, type Stage } from './stage.ts'
import type { Deed, Story } from './story.ts'

/** A node as people see it. */
export interface Desk {
  /** null while it is down. */
  chain(): Chain | null
  evidence(): readonly KeptEvidence[]
  submit(raw: Uint8Array): Promise<void>
}

export interface PeopleDeps {
  readonly kernel: Kernel
  readonly random: Random
  readonly story: Story
  readonly stage: Stage
  /** By key: the operators' own ones; and of followers. */
  readonly desks: readonly Desk[]
  count(what: string): void
}

interface Call {
  readonly to: Account['address']
  readonly input: Uint8Array
  readonly wei?: bigint
}
/** A transaction that is not in a block after so long is sent again. */
const PATIENCE_MS = 30_000
/** Whoever brings a validator in looks whether its node is in step. */
const IN_STEP_MS = 15_000
const NOVA = 10n ** 18n
const GAS = 3_000_000n

export class People {
  readonly #deps: PeopleDeps
  /** What happened, as the nodes that were asked knew it. */
  readonly #known: KeptEvidence[] = []
  readonly #sent = new Map<string, { readonly nonce: bigint; readonly atMs: number }>()

  constructor(deps: PeopleDeps) {
    this.#deps = deps
  }

  start(): void {
    const { kernel, story, stage } = this.#deps
    for (const operator of stage.operators) this.#often(() => this.#tend(operator))
    this.#often(() => this.#learn())
    for (const deed of story.stakes.deeds) kernel.after(deed.atMs, () => this.#do(deed, 10))
  }

  #often(run: () => void): void {
    this.#deps.kernel.after(this.#deps.random.between(2_000, 5_000), () => {
      run()
      this.#often(run)
    })
  }

  /** False where his last one is still on its way. */
  #send(by: Account, desk: Desk, chain: Chain, { to, input, wei = 0n }: Call): boolean {
    const { kernel } = this.#deps
    const nonce = chain.pool.nextNonce(by.address)
    const last = this.#sent.get(by.name)
    const isWaiting =
      last !== undefined && last.nonce >= (chain.at(chain.head().header.number).account(by.address)?.nonce ?? 0n)
    if (isWaiting && kernel.nowMs < last.atMs + PATIENCE_MS) return false
    this.#sent.set(by.name, { nonce, atMs: kernel.nowMs })
    void desk.submit(by.sign({ nonce, to, wei, input, gas: GAS }, chain.genesis.chainId))
    return true
  }

  // Operators.

  /** What has to be done for a validator comes from the state, so nothing is lost with a transaction or a node. */
  #tend(operator: Operator): void {
    const desk = this.#deps.desks[operator.key]
    const chain = desk?.chain() ?? null
    if (desk === undefined || chain === null) return
    const { time } = chain.head().header
    if (START_MS + this.#deps.kernel.nowMs - time * 1_000 > IN_STEP_MS) return
    const call = this.#duty(operator, chain)
    if (call !== null) this.#send(operator.account, desk, chain, call)
  }

  #duty(operator: Operator, chain: Chain): Call | null {
    const { nowMs } = this.#deps.kernel
    const isDue = (kind: 'leave' | 'rotate'): boolean =>
      this.#deps.story.stakes.deeds.some(
        (deed) => deed.kind === kind && deed.key === operator.key && deed.atMs <= nowMs,
      )
    const head = chain.head()
    const ask = booksAt(chain, head.header.number)
    const found = ask(STAKES, 'validator', [operator.account.address])?.info ?? null
    if (found === null) return this.#creation(operator, chain)
    if (found.tombstoned) return null
    if (found.exited) return this.#deps.random.chance(0.1) ? callTo(STAKES, 'withdrawUnbonded', []) : null
    if (isDue('leave')) return callTo(STAKES, 'exit', [])
    if (found.jailed) return callTo(COURT, 'unjail', [])
    const next = curves().blsPublicKey(operator.secrets[1])
    const isRotated = equalBytes(found.blsKey, next)
    if (isDue('rotate') && !isRotated && found.nextBlsKey.length === 0)
      return callTo(STAKES, 'rotateBlsKey', [next, possessionOf(operator.secrets[1], operator, chain)])
    if (found.ready && found.nextBlsKey.length === 0) return null
    const secret = operator.secrets[found.nextBlsKey.length > 0 || isRotated ? 1 : 0]
    const { number } = head.header
    const domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
    const said = signBytes(domain, SignType.ready, readyPayload(number, head.hash, operator.account.address))
    return callTo(STAKES, 'attestReady', [BigInt(number), head.hash, curves().blsSign(secret, said)])
  }

  #creation(operator: Operator, chain: Chain): Call | null {
    const { key, secrets } = operator
    const [secret] = secrets
    const { powers, stakes } = this.#deps.story
    const plan = stakes.joiners[key - powers.length]
    if (plan === undefined || plan.atMs > this.#deps.kernel.nowMs) return null
    const peer = keccak(new TextEncoder().encode(`peer ${key}`))
    const call = callTo(STAKES, 'createValidator', [
      ...([
        curves().blsPublicKey(secret),
        possessionOf(secret, operator, chain),
        peer,
        BigInt(100 * key),
        `validator ${key}`,
      ] as const),
    ])
    return { ...call, wei: BigInt(plan.nova) * NOVA }
  }

  // Everybody else.

  #learn(): void {
    for (const desk of this.#deps.desks)
      for (const kept of desk.evidence())
        if (!this.#known.some(({ id }) => equalBytes(id, kept.id))) this.#known.push(kept)
  }

  /** Where it cannot be tried now, it is tried again. */
  #do(deed: Deed, tries: number): void {
    const { kernel, random, stage, desks } = this.#deps
    if (deed.kind === 'leave' || deed.kind === 'rotate') return // their operators look for themselves
    const desk = random.pick(desks)
    const chain = desk.chain()
    const by =
      'by' in deed
        ? stage.users[deed.by]
        : 'key' in deed
          ? stage.operators[deed.key]?.account
          : deed.kind === 'govern'
            ? stage.governor
            : stage.vandal
    if (by === undefined) return
    const call = chain === null ? null : this.#callOf(deed, chain, by)
    const mayComeYet = deed.kind === 'forged' || deed.kind === 'again'
    if (chain !== null && call === null && !mayComeYet) return
    if (chain !== null && call !== null && this.#send(by, desk, chain, call)) this.#deps.count(`deed: ${deed.kind}`)
    else if (tries > 0) kernel.after(random.between(1_000, 5_000), () => this.#do(deed, tries - 1))
  }

  /** null where there is nothing to do it with. */
  #callOf(deed: Exclude<Deed, { readonly kind: 'leave' | 'rotate' }>, chain: Chain, by: Account): Call | null {
    const ask = booksAt(chain, chain.head().header.number)
    const of = (key: number) => (this.#deps.stage.operators[key] ?? this.#mustOperator(0)).account.address
    const part = (wei: bigint, share: number): bigint => (wei * BigInt(share)) / 1_000n
    const bonded = (key: number): bigint => ask(STAKES, 'delegation', [by.address, of(key)])?.amount ?? 0n
    const held = this.#deps.stage.operators.flatMap(({ key }) => (bonded(key) > 0n ? [key] : []))
    const heldAt = (place: number): number => held[place % Math.max(1, held.length)] ?? place
    const purse = chain.at(chain.head().header.number).account(by.address)?.balance ?? 0n
    switch (deed.kind) {
      case 'delegate':
        return { ...callTo(STAKES, 'delegate', [of(deed.to)]), wei: part(purse, deed.share) }
      case 'bond':
        return { ...callTo(STAKES, 'delegate', [of(deed.key)]), wei: part(purse, deed.share) }
      case 'undelegate':
        return callTo(STAKES, 'undelegate', [of(heldAt(deed.from)), part(bonded(heldAt(deed.from)), deed.share)])
      case 'unbond':
        return callTo(STAKES, 'undelegate', [of(deed.key), part(bonded(deed.key), deed.share)])
      case 'redelegate':
        return callTo(STAKES, 'redelegate', [
          ...([of(heldAt(deed.from)), of(deed.to), part(bonded(heldAt(deed.from)), deed.share)] as const),
        ])
      case 'withdraw':
        return callTo(STAKES, 'withdrawUnbonded', [])
      case 'claim':
        return callTo(STAKES, 'claimRewards', [of(heldAt(deed.from))])
      case 'penalty':
        return callTo(STAKES, 'applyPenalty', [by.address, of(heldAt(deed.from))])
      case 'edit':
        return this.#edit(ask, deed.key)
      case 'govern':
        return callTo(PARAMS, 'set', [deed.name, BigInt(deed.value)])
      case 'junk':
        return this.#junk()
      default:
        return this.#falseEvidence(deed.kind, chain)
    }
  }

  #mustOperator(key: number): Operator {
    return this.#deps.stage.operators[key] as Operator // there is a validator in every story
  }

  #edit(ask: Ask, key: number): Call | null {
    const { account } = this.#mustOperator(key)
    const found = ask(STAKES, 'validator', [account.address])?.info
    if (found === undefined) return null
    const commission = found.commissionBps + this.#deps.random.pick([0n, 50n, 100n, 101n])
    return callTo(STAKES, 'editValidator', [commission, found.peerIdDigest, `validator ${key} again`])
  }

  #junk(): Call {
    const { random } = this.#deps
    const { at, abi } = random.pick([STAKES, COURT, PARAMS])
    const { selector } = random.pick(Object.values(abi.functions))
    const head: Hex = random.chance(0.8) ? selector : '0xdeadbeef'
    const input = Uint8Array.from({ length: random.between(0, 200) }, (_, i) =>
      i < 4 ? Number.parseInt(head.slice(2 + 2 * i, 4 + 2 * i), 16) : random.pick([0, 0, 0, 32, random.below(256)]),
    )
    return { to: at, input, wei: random.pick([0n, 0n, 1n, NOVA]) }
  }

  #falseEvidence(kind: 'forged' | 'innocent' | 'again', chain: Chain): Call | null {
    const { random } = this.#deps
    if (kind === 'innocent') return innocent(random, chain)
    if (this.#known.length === 0) return null
    const { bytes } = random.pick(this.#known)
    if (kind === 'again') return callTo(COURT, 'submitEvidence', [bytes])
    const forged = bytes.slice()
    // The last are those of a signature.
    forged[random.chance(0.5) ? forged.length - 1 - random.below(96) : random.below(forged.length)] = random.below(256)
    return callTo(COURT, 'submitEvidence', [forged])
  }
}

const possessionOf = (secret: Uint8Array, { account }: Operator, { genesis, genesisHash }: Chain): Uint8Array => {
  const said = ownerPayload(curves().blsPublicKey(secret), account.address)
  return curves().blsSign(secret, signBytes({ chainId: genesis.chainId, genesisHash }, SignType.pop, said))
}

/** Two things that validators signed and may have. */
const innocent = (random: Random, chain: Chain): Call | null => {
  const { number } = chain.head().header
  const all = [number - 1, number].flatMap((height): readonly Testimony[] => {
    if (height < 1) return []
    const { certificates, votes } = chain.signedAt(height)
    return [...certificates, ...votes]
  })
  if (all.length < 2) return null
  return callTo(COURT, 'submitEvidence', [encodeEvidence(evidenceOf(random.pick(all), random.pick(all)))])
}
