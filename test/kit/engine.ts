// Which engine a test runs on: ENGINE=fast, ENGINE=decoded for the fast one that decodes all code at once, or the reference.
import type { Engine } from '../../chain/exec/engine.ts'
import { createFastEngine } from '../../chain/exec/interpreter.ts'
import { createReferenceEngine, type ReferenceOptions } from '../../chain/exec/reference.ts'

export function createTestEngine(options: ReferenceOptions): Engine {
  const { ENGINE } = process.env
  if (ENGINE === 'fast') return createFastEngine(options)
  return ENGINE === 'decoded' ? createFastEngine({ ...options, decoding: 'at once' }) : createReferenceEngine(options)
}
