// Everything that validators with less than a third of the power may try, with every honest signature that was ever sent at hand.
import type { Message } from '../../chain/types/message.ts'
import type { Body, World } from './world.ts'

export class Adversary {
  readonly #world: World
  constructor(world: World) {
    this.#world = world
  }
  overhear(_message: Message, _body: Body | null): void {}
  start(): void {
    this.#world.count('adversary')
  }
}
