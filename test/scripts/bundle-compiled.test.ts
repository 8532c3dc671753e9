import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Script } from 'node:vm'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const COMPILED = fileURLToPath(new URL('../../scripts/bundle-compiled.cjs', import.meta.url))
const { compiledScript, isUnkept, keepCompiled, requireIn } = createRequire(import.meta.url)(COMPILED) as {
  compiledScript: (file: string, name: string) => Script | undefined
  isUnkept: (script: Script) => boolean
  keepCompiled: (script: Script, file: string) => void
  requireIn: (file: string) => (name: string) => { readonly [name: string]: unknown }
}
const folder = mkdtempSync(join(tmpdir(), 'compiled-'))
const file = join(folder, 'code.cjs')
afterAll(() => rmSync(folder, { recursive: true }))

describe('a file with what V8 compiled of it', () => {
  const code = `(function twice(n) { const text = 'a text that is as long as it has to be'; return text.length * n })`
  writeFileSync(file, code)
  const made = compiledScript(file, '/made.cjs') as Script
  made.runInThisContext()(1)
  const compiled = made.createCachedData()
  const changed = (at: number) => {
    const other = Buffer.from(compiled)
    other[at] ^= 0xff
    return other
  }

  test('is taken as it is', () => {
    writeFileSync(`${file}.v8`, compiled)
    const script = compiledScript(file, '/taken.cjs') as Script
    expect([script.cachedDataRejected, script.runInThisContext()(2)]).toEqual([false, 76])
  })

  test.each([
    ['missing', undefined],
    ['empty', Buffer.alloc(0)],
    ['cut off', compiled.subarray(0, compiled.length / 2)],
    ['cut off in its head', compiled.subarray(0, 10)],
    ['something else', Buffer.from('x'.repeat(5000))],
    // V8's header: a magic number, then hashes of its version and of the source.
    ['of another kind', changed(0)],
    ['of another V8', changed(4)],
    ['of another source', changed(8)],
  ])('is compiled where that is %s', (what, data) => {
    rmSync(`${file}.v8`, { force: true })
    if (data) writeFileSync(`${file}.v8`, data)
    // V8 itself remembers scripts by name.
    const script = compiledScript(file, `/${what}.cjs`) as Script
    expect(script.cachedDataRejected).not.toBe(false)
    expect(script.runInThisContext()(2)).toBe(76)
  })

  test('is none where there is no such file', () => {
    expect(compiledScript(join(folder, 'none.cjs'), '/none.cjs')).toBeUndefined()
  })
})

describe('what another V8 than the build’s has compiled', () => {
  const cache = join(folder, 'cache')
  const kept = join(cache, 'bootwright/compiled')
  const text = (n: number, hash: string) => `(function (n) { return n * ${n} })\n// ${hash.repeat(32)}\n`
  let loads = 0
  // V8 itself remembers scripts by name.
  const load = () => compiledScript(file, `/kept${loads++}.cjs`) as Script
  const run = () => {
    const script = load()
    const result = script.runInThisContext()(2)
    const was = isUnkept(script)
    keepCompiled(script, file)
    return [result, was, script.cachedDataRejected === false]
  }
  beforeEach(() => {
    vi.stubEnv('XDG_CACHE_HOME', cache)
    writeFileSync(file, text(3, 'a'))
    rmSync(`${file}.v8`, { force: true })
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(cache, { recursive: true, force: true })
  })

  test('is kept for its next run', () => {
    expect([run(), run()]).toEqual([
      [6, true, false],
      [6, false, true],
    ])
  })

  test('is not what a text of the same length gets, in whose place it goes', () => {
    run()
    writeFileSync(file, text(4, 'b'))
    expect(run()).toEqual([8, true, false])
    expect(readdirSync(kept)).toEqual([expect.stringMatching(/^code\.cjs-v.*-b{32}\.v8$/)])
  })

  test('is not written anew where it is of a Node with other options', () => {
    run()
    writeFileSync(join(kept, readdirSync(kept)[0]), 'x'.repeat(500))
    expect([run(), run()]).toEqual([
      [6, false, false],
      [6, false, false],
    ])
  })

  test('is not kept where there is no folder for it, or what lies beside the file fits', () => {
    const script = load()
    vi.stubEnv('XDG_CACHE_HOME', join(file, 'no-folder'))
    expect(run()).toEqual([6, true, false])
    writeFileSync(`${file}.v8`, script.createCachedData())
    vi.stubEnv('XDG_CACHE_HOME', cache)
    expect(run()).toEqual([6, false, true])
  })
})

test('a module of Node’s that is seldom used is loaded when something of it is, and is the same', () => {
  const asks = `
    const { requireIn } = require(${JSON.stringify(COMPILED)})
    const isLoaded = () => process.moduleLoadList.some((name) => name.endsWith(' dgram'))
    const dgram = requireIn(${JSON.stringify(COMPILED)})('node:dgram')
    const before = isLoaded()
    const { createSocket } = dgram
    console.log(before, isLoaded(), createSocket === require('dgram').createSocket)`
  expect(execFileSync(process.execPath, ['-e', asks], { encoding: 'utf8' })).toBe('false true true\n')
  const zlib = requireIn(COMPILED)('node:zlib')
  expect('inflateSync' in zlib).toBe(true)
  expect(Object.keys(zlib)).toContain('inflateSync')
  expect({ ...zlib }.inflateSync).toBe(zlib.inflateSync)
  expect(requireIn(COMPILED)('node:path').join).toBe(join)
})
