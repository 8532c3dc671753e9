/** For tests of threads and commands: those run compiled JavaScript, which `npm test` has built before. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'

/** URL of the fake machine as a module that a worker loads. It imports nothing but types. */
export function compiledFakeMachine(): string {
  const source = fileURLToPath(new URL('fake-machine.ts', import.meta.url))
  const options = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022 }
  const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions: options })
  const file = join(mkdtempSync(join(tmpdir(), 'bootwright-fake-')), 'fake-machine.mjs')
  writeFileSync(file, outputText)
  return pathToFileURL(file).href
}
