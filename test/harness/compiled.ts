/** For tests of threads and commands: those run compiled JavaScript, which `npm test` has built before. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** URL of the fake machine as a module that a worker loads. What it imports of the machine comes from dist/. */
export function compiledFakeMachine(): string {
  return compiledModule(new URL('fake-machine.ts', import.meta.url))
}

/** The same of any machine that is made for tests. */
export function compiledModule(url: URL): string {
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
  const source = fileURLToPath(url)
  const name = basename(source, '.ts')
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-fake-'))
  const flags = [
    '--ignoreConfig',
    '--noCheck',
    '--noResolve',
    '--types',
    '',
    '--module',
    'es2022',
    '--target',
    'es2022',
  ]
  execFileSync(process.execPath, [join(typescript, 'bin/tsc'), ...flags, '--outDir', folder, source])
  const dist = new URL('../../dist/', import.meta.url).href
  const text = readFileSync(join(folder, `${name}.js`), 'utf8').replaceAll(
    /from '(\.\.\/)+(?=machine\/)/g,
    `from '${dist}`,
  )
  const file = join(folder, `${name}.mjs`)
  writeFileSync(file, text)
  return pathToFileURL(file).href
}
