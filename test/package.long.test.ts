/** The package as npm makes it, in an empty folder: without tests, with its sources in the maps, and it runs. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findFirmware } from '../machine/firmware/find-firmware.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'package-'))
const modules = join(folder, 'node_modules')
const home = join(modules, 'bootwright')
afterAll(() => rmSync(folder, { recursive: true }))

describe('the package', () => {
  let files: string[]

  beforeAll(() => {
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    const [{ filename, files: packed }] = JSON.parse(execFileSync('npm', args, { cwd: root }).toString()) as {
      filename: string
      files: { path: string }[]
    }[]
    files = packed.map(({ path }) => path)
    mkdirSync(home, { recursive: true })
    execFileSync('tar', ['xzf', join(folder, filename), '-C', home, '--strip-components=1'])
    const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { dependencies: object }
    // What it says that it needs, and nothing else; each finds its own where it really lies.
    for (const name of Object.keys(dependencies)) {
      mkdirSync(join(modules, name, '..'), { recursive: true })
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
    }
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  }, 300_000)

  test('has no tests, and a map with its source for every file of code', () => {
    expect(files.filter((path) => /^(dist\/)?test\//.test(path))).toEqual([])
    expect(files).toContain('dist/machine/cpu/soft/core.wasm')
    expect(files).toContain('dist/harness/runtime/worker.bundle.cjs')
    expect(files).toContain('dist/harness/runtime/worker.bundle.cjs.LICENSES.txt')
    expect(files).toContain('dist/bundle/LICENSES.txt')
    const code = files.filter((path) => path.startsWith('dist/harness/') && path.endsWith('.js'))
    const unmapped = code.filter((path) => !path.includes('/page/') && !files.includes(`${path}.map`))
    expect(unmapped).toEqual([])
    const map = JSON.parse(readFileSync(join(home, 'dist/harness/index.js.map'), 'utf8')) as {
      sourcesContent?: string[]
    }
    expect(map.sourcesContent?.[0]).toContain('export')
  })

  test('its command and its modules run with its own dependencies alone', () => {
    const bin = join(home, 'bin/bootwright.js')
    const run = (args: string[]) => execFileSync(process.execPath, args, { cwd: folder }).toString()
    expect(run([bin, 'devices'])).toContain('isa-debug-exit')
    expect(run([bin, '--help'])).toContain('matrix')
    const program = "import { launch, text } from 'bootwright'; console.log(typeof launch, text('x').kind)"
    expect(run(['--input-type=module', '-e', program])).toBe('function text\n')
    expect(readdirSync(join(home, 'guests')).length).toBeGreaterThan(10)
  })

  test('what V8 compiles is kept after a run where what the build has compiled is another V8’s', () => {
    const floppy = join(folder, 'empty.img')
    writeFileSync(floppy, new Uint8Array(1440 << 10))
    const compiled = ['dist/bundle/together.cjs.v8', 'dist/harness/runtime/worker.bundle.cjs.v8']
    for (const file of compiled) writeFileSync(join(home, file), 'of another V8')
    const cache = join(folder, 'cache')
    const run = () => {
      const args = [
        join(home, 'bin/bootwright.js'),
        'run',
        '--engine',
        'soft',
        '--floppy',
        floppy,
        '--until-time',
        '1ms',
      ]
      // Firmware may be in the cache, too.
      const env = { ...process.env, XDG_CACHE_HOME: cache, BOOTWRIGHT_FIRMWARE: dirname(findFirmware().bios.path) }
      const { status } = spawnSync(process.execPath, args, { cwd: folder, env })
      const kept = join(cache, 'bootwright/compiled')
      return [status, ...readdirSync(kept).map((name) => [name.split('-')[0], statSync(join(kept, name)).mtimeMs])]
    }
    const first = run()
    expect(first).toEqual([0, ['together.cjs', expect.any(Number)], ['worker.bundle.cjs', expect.any(Number)]])
    expect(run()).toEqual(first)
  })

  test('its types are whole in a strict project that has no types of Node', () => {
    symlinkSync(join(root, 'node_modules/vitest'), join(modules, 'vitest'))
    writeFileSync(
      join(folder, 'some.test.ts'),
      `import { launch } from 'bootwright'
import { expect, stage, test } from 'bootwright/vitest'
const booted = stage('booted', { floppy: 'a.img' }, async (vm) => { await vm.serial.waitFor('x') })
test.from(booted)('goes on', async ({ vm }) => { await expect(vm.screen).toHaveText('y') })
await (await launch({ floppy: 'a.img' })).close()
`,
    )
    const options = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext', '--types', '']
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), [...options, 'some.test.ts'], { cwd: folder })
    expect(stdout.toString()).toBe('')
  })
})
