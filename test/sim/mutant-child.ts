// Runs mutants in a process of their own, which rewrites the modules it loads, and reads what came of each.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Mutant } from './mutants.ts'

export interface Caught {
  readonly name: string
  readonly seed: number | null
  readonly by: string | null
}

export async function runMutants(budget: number, mutants: readonly Pick<Mutant, 'name'>[]): Promise<Caught[]> {
  const script = fileURLToPath(new URL('mutant-run.ts', import.meta.url))
  const args = [script, String(budget), ...mutants.map(({ name }) => name)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 })
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Caught]))
}
