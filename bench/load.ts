// Starts a load generator, and tells it when to begin and to stop.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Orders, Said } from './generator.ts'

export interface Load {
  readonly child: ChildProcess
  /** When it has sent everything, or was stopped. */
  readonly done: Promise<Extract<Said, { readonly kind: 'done' }>>
  begin(): void
  stop(): void
}

/** Returns when every request is made. */
export async function startLoad(orders: Orders): Promise<Load> {
  const child = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)), [JSON.stringify(orders)])
  await once(child, 'message')
  return {
    child,
    done: once(child, 'message').then(([said]) => said),
    begin: () => child.send('begin'),
    stop: () => child.connected && child.send('stop'),
  }
}
