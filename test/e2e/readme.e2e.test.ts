// The README's five minutes, typed as they stand: every shell line and the JavaScript, against a network on another port.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../kit/devnet.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const section = (name: string): string => {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  return text.slice(text.indexOf(`## ${name}`)).split(/\n## /)[0] ?? ''
}
const blocks = (name: string, language: string): string[] =>
  [...section(name).matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, code]) => code ?? '')
const lines = blocks('Five minutes', 'sh')
  .join('\n')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'))

const home = mkdtempSync(join(tmpdir(), 'novachain-readme-'))
let devnet: Devnet
beforeAll(async () => {
  devnet = await startDevnet(['--block-time', '1000', '--log-level', 'error'], { dir: join(home, '.novachain/devnet') })
})
afterAll(async () => {
  await devnet?.stop()
  rmSync(home, { recursive: true, force: true })
})
const here = (text: string): string =>
  text
    .replaceAll('http://127.0.0.1:8545', devnet.rpc[0] ?? '')
    .replace('npm run -s novachain --', `'${process.execPath}' '${root}node/main.ts'`)
const env = () => ({ ...process.env, NOVACHAIN_RPC: devnet.rpc[0] ?? '' })

test('there is a tour', () => expect(lines.length).toBeGreaterThanOrEqual(5))

test.each(lines)('%s', async (line) => {
  const { stdout } = await promisify(execFile)('sh', ['-c', here(line)], { cwd: home, env: env() })
  expect(stdout).not.toBe('')
  expect(stdout).not.toContain('"error"')
})

test.each(blocks('Five minutes', 'js'))('the JavaScript of the tour', async (code) => {
  const program = `${here(code)}\nprovider.destroy()`
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { cwd: root })
})

test.each(blocks('Governable numbers', 'js'))('the JavaScript of the modules', async (code) => {
  const head =
    "import { Contract, JsonRpcProvider } from 'ethers'\nconst provider = new JsonRpcProvider('http://127.0.0.1:8545')\n"
  const program = `${here(head + code)}\nprovider.destroy()`
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { cwd: root })
})

test.each(blocks('Resource tokens', 'js'))('the JavaScript of the tokens', async (code) => {
  const tour = blocks('Five minutes', 'js').join('').replace('parseEther', 'Contract, parseEther')
  const program = `${here(tour + code)}\nprovider.destroy()`
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { cwd: root })
})
