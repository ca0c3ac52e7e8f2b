// The life of what runs: a service starts with a signal, ends when it aborts, and says when its last write is done.
import { defineErrors } from '../chain/base/errors.ts'

export const ServiceErrors = defineErrors('SERVICE', {
  /** Of a signal that aborts. */
  STOPPED: { text: () => 'stopped before the end, as asked for' },
})

export interface Service {
  readonly name: string
  /** Settles when the service has stopped; rejects when it failed. */
  readonly done: Promise<void>
}
export type StartService = (signal: AbortSignal) => Promise<Service>

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
