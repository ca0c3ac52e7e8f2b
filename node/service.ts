// The life of what runs: a service starts with a signal, ends when it aborts, and says when its last write is done.

export interface Service {
  readonly name: string
  /** Settles when the service has stopped; rejects when it failed. */
  readonly done: Promise<void>
}
export type StartService = (signal: AbortSignal) => Promise<Service>

/** Starts in order, waits for the signal or the first that ends, stops in reverse order and waits for each. */
export async function runServices(
  starters: readonly StartService[],
  signal: AbortSignal,
  started: () => void = () => {},
): Promise<void> {
  const running: { readonly service: Service; readonly stop: AbortController }[] = []
  try {
    for (const start of starters) {
      signal.throwIfAborted()
      const stop = new AbortController()
      running.push({ service: await start(stop.signal), stop })
    }
    started()
    await Promise.race([aborted(signal), ...running.map(({ service }) => service.done)])
  } finally {
    for (const { service, stop } of running.reverse()) {
      stop.abort()
      await service.done.catch(() => {}) // the first failure is on its way already
    }
  }
}

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
