import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  defineGuest,
  type GuestDefinition,
  GuestError,
  guestMachine,
  guestMedia,
  guestNames,
  guestSteps,
  levelSteps,
  loadGuest,
} from '../../../harness/guest/guest.js'
import {
  built,
  file,
  findMedium,
  image,
  MissingMediaError,
  packageFile,
  packagesOf,
} from '../../../harness/guest/guest-media.js'
import { text } from '../../../harness/vm/conditions.js'
import { HostError } from '../../../machine/errors.js'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'guest-'))
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
  vi.stubEnv('BOOTWRIGHT_IMAGES', join(folder, 'images'))
  mkdirSync(join(folder, 'images'))
})

afterEach(() => {
  vi.unstubAllEnvs()
})

const sample: GuestDefinition = {
  name: 'sample',
  title: 'Sample',
  family: 'hobby',
  licence: 'MIT',
  machine: { memory: 8, floppies: [image('a.img')] },
  levels: [{ name: 'loader', title: 'its banner', keys: '<enter>', until: text(/ok/) }],
}

describe('a definition', () => {
  test('comes back as it is', () => {
    expect(defineGuest(sample)).toBe(sample)
  })

  test.each<[string, object, RegExp]>([
    ['a name with a slash', { name: 'a/b' }, /guest 'a\/b': name is 'a\/b'; it must be of small letters/],
    ['no levels', { levels: [] }, /levels is an empty list; it must be a list of one level or more/],
    ["'level' for 'levels'", { levels: undefined, level: [] }, /the guest has no 'level'; did you mean 'levels'\?$/],
    ['no levels at all', { levels: undefined }, /levels is missing; it must be a list of one level or more$/],
    ['an unknown part', { machine: { floppy: image('a') } }, /machine has no 'floppy'; did you mean 'floppies'\?$/],
    [
      'a path for a medium',
      { machine: { cdrom: 'a.iso' } },
      /machine\.cdrom is 'a\.iso'; it must be what image\(…\), /,
    ],
    [
      'an unknown part of a level',
      { levels: [{ ...sample.levels[0], key: 'x' }] },
      /levels\.0 has no 'key'; did you mean 'keys'\?/,
    ],
    ['too much memory', { machine: { memory: 4096 } }, /machine\.memory 4096 is too large; 3G is the most/],
    [
      'three floppies',
      { machine: { floppies: [image('a'), image('b'), image('c')] } },
      /machine\.floppies is a list; it must be a list of up to two media/,
    ],
    ['a level twice', { levels: [sample.levels[0], sample.levels[0]] }, /the level 'loader' is there twice/],
    ['keys that are none', { levels: [{ ...sample.levels[0], keys: '<entr>' }] }, /level 'loader': .*<entr>/],
    ['a time-out that is none', { levels: [{ ...sample.levels[0], timeout: 'soon' }] }, /'soon' is not a duration/],
  ])('with %s is refused', (_, change, message) => {
    expect(() => defineGuest({ ...sample, ...change })).toThrow(GuestError)
    expect(() => defineGuest({ ...sample, ...change })).toThrow(message)
  })

  test('becomes steps: keys, then the wait with its time-out', () => {
    const steps = levelSteps({ ...sample.levels[0], timeout: '90s' })
    expect(steps).toEqual([
      { kind: 'tap', codes: ['Enter'] },
      { kind: 'until', condition: text(/ok/), timeoutNs: 90e9 },
    ])
    expect(guestSteps(sample)).toHaveLength(2)
  })
})

describe('loading', () => {
  test('every guest of the project is sound and called as its folder', async () => {
    expect(guestNames().length).toBeGreaterThanOrEqual(90)
    for (const name of guestNames()) {
      const guest = await loadGuest(name)
      expect(guest.name).toBe(name)
      // One is the firmware by itself.
      expect(guestMedia(guest).length > 0 || name === 'seabios').toBe(true)
    }
  })

  test('an unknown name is told with the nearest one', async () => {
    await expect(loadGuest('fredos')).rejects.toThrow(/no guest 'fredos'; did you mean 'freedos'\?/)
    await expect(loadGuest('kernel.elf')).rejects.toThrow("there is no file and no guest 'kernel.elf'; check the path")
  })

  test('a file by its path, JavaScript or TypeScript, and a folder with one', async () => {
    const definition = JSON.stringify({ ...sample, machine: {} })
    writeFileSync(join(folder, 'mine.mjs'), `export default ${definition}`)
    writeFileSync(join(folder, 'guest.ts'), `const guest: object = ${definition}\nexport default guest`)
    expect((await loadGuest(join(folder, 'mine.mjs'))).title).toBe('Sample')
    expect((await loadGuest(join(folder, 'guest.ts'))).title).toBe('Sample')
    expect((await loadGuest(folder)).title).toBe('Sample')
  })

  test.each<[string, string | undefined, RegExp]>([
    ['missing.js', undefined, /does not exist; check the path/],
    ['empty.mjs', '', /exports no guest/],
    ['broken.mjs', '\nthrow new Error("boom")', /broken\.mjs:2 cannot be loaded: boom$/],
    ['unwritten.mjs', 'const a = 1\nconst b = \n', /unwritten\.mjs:\d cannot be loaded: /],
    ['wrong.mjs', 'export default { name: "wrong" }', /guest 'wrong': title is missing; it must be a text$/],
  ])('%s is refused in one sentence', async (name, contents, message) => {
    const path = join(folder, name)
    if (contents !== undefined) writeFileSync(path, contents)
    const loading = loadGuest(path)
    await expect(loading).rejects.toThrow(GuestError)
    await expect(loading).rejects.toThrow(message)
  })

  test('a folder without a guest is told', async () => {
    await expect(loadGuest(join(folder, 'images'))).rejects.toThrow(/has no guest\.js and no guest\.ts/)
  })

  test('an ES module in a CommonJS project says what to call it, a folder by its bare name how to write it', async () => {
    writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }')
    writeFileSync(join(folder, 'cjs.js'), "import 'node:fs'\nexport default {}\n")
    const command = `import(${JSON.stringify(new URL('../../../dist/harness/guest/guest.js', import.meta.url).href)})
      .then(({ loadGuest }) => loadGuest(${JSON.stringify(join(folder, 'cjs.js'))})).catch(({ message }) => console.log(message))`
    // By Node alone: vitest transforms what it loads.
    const said = execFileSync(process.execPath, ['-e', command], { encoding: 'utf8' })
    expect(said).toContain(`cjs.js is an ES module in a CommonJS project; call it ${join(folder, 'cjs.mjs')}, or say`)
    const broken = join(folder, 'broken.mjs')
    writeFileSync(broken, 'const a = 1\nconst b = = 2\n')
    const place = execFileSync(process.execPath, ['-e', command.replace(join(folder, 'cjs.js'), broken)])
    expect(place.toString()).toBe(`${broken}:2 cannot be loaded: Unexpected token '='\n`)
    mkdirSync(join(folder, 'my-dos'))
    const bare = execFileSync(
      process.execPath,
      ['-e', command.replace(/loadGuest\("[^"]*"\)/, 'loadGuest("my-dos")')],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    expect(bare).toBe("there is no guest 'my-dos'; did you mean './my-dos'?\n")
  })
})

describe('media', () => {
  test('are found in BOOTWRIGHT_IMAGES', async () => {
    writeFileSync(join(folder, 'images/a.img'), 'x')
    expect(await guestMachine(sample)).toMatchObject({
      memory: 8 << 20,
      floppies: [{ path: join(folder, 'images/a.img') }],
    })
  })

  test('and what a guest prepares on the host; where that lacks something, the guest has no media', async () => {
    writeFileSync(join(folder, 'images/a.img'), 'x')
    const prepare = vi.fn(async () => {})
    await guestMachine({ ...sample, prepare })
    expect(prepare).toHaveBeenCalledOnce()
    const lacking = guestMachine({
      ...sample,
      prepare: async () => Promise.reject(new HostError('there is no apt-get')),
    })
    await expect(lacking).rejects.toThrow(new MissingMediaError('there is no apt-get'))
  })

  test('that are missing say what to do', async () => {
    await expect(findMedium(image('a.img'))).rejects.toThrow(
      /a\.img is not in .*images, the folder that BOOTWRIGHT_IMAGES/,
    )
    vi.stubEnv('BOOTWRIGHT_IMAGES', '')
    await expect(findMedium(image('a.img'))).rejects.toThrow(/set BOOTWRIGHT_IMAGES to a folder that has it/)
    await expect(findMedium(packageFile('nothing', '/usr/lib/nothing/x.img'))).rejects.toThrow(
      /Debian's package nothing is needed.*'bootwright setup --guests'/,
    )
    await expect(findMedium(file('/nowhere.img'))).rejects.toThrow(MissingMediaError)
  })

  test('of a package are found where setup unpacks it', async () => {
    const tree = join(folder, 'cache/bootwright/packages/thing/usr/lib/thing')
    mkdirSync(tree, { recursive: true })
    writeFileSync(join(tree, 'x.img'), 'x')
    expect(await findMedium(packageFile('thing', '/usr/lib/thing/x.img'))).toBe(join(tree, 'x.img'))
  })

  test('are built of others into the cache', async () => {
    writeFileSync(join(folder, 'images/a.img'), 'ab')
    const twice = built('twice.img', [image('a.img'), image('a.img')], (parts) => Buffer.concat(parts))
    const path = await findMedium(twice)
    expect(path.startsWith(join(folder, 'cache'))).toBe(true)
    expect(readFileSync(path, 'utf8')).toBe('abab')
    expect(packagesOf(built('x', [packageFile('p', '/f'), image('i')], ([a]) => a))).toEqual([
      { kind: 'package', package: 'p', file: '/f' },
    ])
  })

  test('may lie beside the guest', () => {
    expect(file('disk.img', import.meta.url)).toEqual({
      kind: 'file',
      path: fileURLToPath(new URL('disk.img', import.meta.url)),
    })
  })
})
