import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { complaint, EXIT } from '../../../harness/cli/errors.js'
import { loadNeedle } from '../../../harness/needles/needle.js'
import { NeedleError, readNeedleFile } from '../../../harness/needles/needle-file.js'
import { openNeedles } from '../../../harness/needles/needle-set.js'
import { letters, screen, writeNeedle } from './screens.js'

const folder = mkdtempSync(join(tmpdir(), 'needles-'))
afterAll(() => rmSync(folder, { recursive: true }))
const picture = screen(64, 48, letters(1))
const area = { xpos: 4, ypos: 8, width: 20, height: 10, type: 'match' }

describe('a needle file', () => {
  test('is read with openQA’s defaults, and 0 stands for the default', async () => {
    const file = await writeNeedle(folder, 'defaults', picture, {
      area: [
        { ...area, match: 0, margin: 0 },
        { ...area, match: 80, margin: 12 },
      ],
    })
    expect(readNeedleFile(file)).toMatchObject({ name: 'defaults', width: 64, height: 48, tags: [], properties: [] })
    expect(readNeedleFile(file).areas).toEqual([
      { type: 'match', x: 4, y: 8, width: 20, height: 10, match: 96, margin: 50 },
      { type: 'match', x: 4, y: 8, width: 20, height: 10, match: 80, margin: 12 },
    ])
  })

  test('may have all kinds of areas, click points, tags and properties, and fields that nobody knows', async () => {
    const file = await writeNeedle(folder, 'all', picture, {
      area: [
        { ...area, click_point: { xpos: 57.5, ypos: 3, id: 'first' } },
        { ...area, xpos: '5', click_point: { xpos: 1, ypos: 2, id: 'second' } },
        { ...area, type: 'exclude' },
        { ...area, type: 'ocr', refstr: 'text' },
      ],
      tags: ['a', 'b', 'a'],
      properties: ['glossy', { name: 'workaround', value: 'bsc#1' }],
      max_offset: 0,
    })
    const read = readNeedleFile(file)
    expect(read.tags).toEqual(['a', 'b'])
    expect(read.properties).toEqual([
      { name: 'glossy', value: undefined },
      { name: 'workaround', value: 'bsc#1' },
    ])
    expect(read.areas.map(({ type }) => type)).toEqual(['match', 'match', 'exclude', 'ocr'])
    expect(read.areas[0].clickPoint).toEqual({ x: 57.5, y: 3, id: 'first' })
    const needle = await loadNeedle(read)
    expect([needle.areas.length, needle.exclude.length, needle.ocr.length]).toEqual([2, 1, 1])
    expect(needle.areas[0].pixels).toHaveLength(200)
  })

  const wrongs: [what: string, json: unknown, words: RegExp][] = [
    ['no JSON', '{ "area": [', /is no JSON/],
    ['another kind of JSON', [1], /is none: its top is a list; it must be an object/],
    ['no areas', { tags: [] }, /is none: area is missing; it must be a list/],
    [
      'an unknown type',
      { area: [{ ...area, type: 'mach' }] },
      /is none: area\.0\.type is 'mach'; it must be 'match' or 'exclude' or 'ocr'/,
    ],
    [
      'a place that is no number',
      { area: [{ ...area, xpos: 'left' }] },
      /is none: area\.0\.xpos is 'left'; it must be a number/,
    ],
    ['nothing to match', { area: [{ ...area, type: 'exclude' }] }, /has no area of the type match/],
    ['an area without a size', { area: [{ xpos: 1, ypos: 1 }] }, /area 1 without a size/],
    ['an area outside its picture', { area: [{ ...area, xpos: 50 }] }, /reaches out of its picture of 64×48/],
    ['a click point that is none', { area: [{ ...area, click_point: 'left' }] }, /is none: area\.0\.click_point/],
    // openQA #4815.
    [
      'an area one pixel past its picture',
      { area: [{ ...area, xpos: 64 + 1 - area.width, ypos: 0 }] },
      /area 1 of \S+ at \S+ that reaches out of its picture of 64×48 by 1 pixel;/,
    ],
  ]
  test.each(wrongs)('with %s is refused in one sentence that names the file', async (what, json, words) => {
    const name = what.replaceAll(' ', '-')
    const file = await writeNeedle(join(folder, 'wrong'), name, picture, json)
    let error: unknown
    try {
      readNeedleFile(file)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(NeedleError)
    const { message } = error as Error
    expect(message).toMatch(words)
    expect(message).toContain(`${name}.json`)
    expect(message).toMatch(/; .+/)
    expect(message).not.toContain('\n')
    expect(complaint(error)).toEqual({ message, exitCode: EXIT.usage })
  })

  test('without a picture, with text for one, with an LFS pointer for one or with half of one is refused', async () => {
    const file = await writeNeedle(join(folder, 'pictures'), 'one', picture, { area: [area] })
    const png = file.replace('.json', '.png')
    const whole = await import('node:fs').then(({ readFileSync }) => readFileSync(png))
    writeFileSync(png, 'no picture at all, but long enough for a head')
    expect(() => readNeedleFile(file)).toThrow(/has no PNG picture in .*one\.png; replace/)
    writeFileSync(png, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n')
    expect(() => readNeedleFile(file)).toThrow(/Git LFS pointer.*run 'git lfs pull'/)
    writeFileSync(png, whole.subarray(0, 200))
    await expect(loadNeedle(file)).rejects.toThrow(/damaged picture/)
    await expect(loadNeedle(file)).rejects.toBeInstanceOf(NeedleError)
    rmSync(png)
    expect(() => readNeedleFile(file)).toThrow(/one\.png does not exist/)
    mkdirSync(png)
    expect(() => readNeedleFile(file)).toThrow(/one\.png is a directory/)
    expect(() => readNeedleFile(join(folder, 'absent.json'))).toThrow(/absent\.json does not exist/)
  })
})

describe('a folder of needles', () => {
  test('is found with its folders, by name, path and tags, and keeps the wrong ones apart', async () => {
    const set = join(folder, 'set')
    await writeNeedle(set, 'login-1', picture, { area: [area], tags: ['login', 'text'] })
    await writeNeedle(set, 'deep/er/login-2', picture, { area: [area], tags: ['login'] })
    await writeNeedle(set, 'deep/twice', picture, { area: [area], tags: [] })
    await writeNeedle(set, 'twice', picture, { area: [area], tags: [] })
    await writeNeedle(set, 'broken', picture, '{')
    await writeNeedle(set, '.git/hidden', picture, '{')
    const needles = openNeedles(set)
    expect(needles.files.map(({ name }) => name)).toEqual(['login-2', 'twice', 'login-1', 'twice'])
    expect(needles.problems.map(({ message }) => message)).toEqual([expect.stringMatching(/broken\.json is no JSON/)])
    expect((await needles.get('login-2')).name).toBe('login-2')
    expect(await needles.get('login-2.json')).toBe(await needles.get('deep/er/login-2'))
    expect((await needles.tagged('login')).map(({ name }) => name)).toEqual(['login-2', 'login-1'])
    expect((await needles.tagged('login', 'text')).map(({ name }) => name)).toEqual(['login-1'])
    expect((await needles.find('login')).map(({ name }) => name)).toEqual(['login-2', 'login-1'])
    const [found] = await needles.find('login-1')
    expect(needles.match(picture, found)).toEqual({
      matched: true,
      similarity: 1,
      areas: [{ x: 4, y: 8, width: 20, height: 10 }],
      click: { x: 14, y: 13 },
    })
    await expect(needles.find('login-3')).rejects.toThrow(/no needle 'login-3'/)
    await expect(needles.get('login-3')).rejects.toThrow(/no needle 'login-3' in .*did you mean 'login-/)
    await expect(needles.get('broken')).rejects.toThrow(/is no JSON/)
    await expect(needles.get('twice')).rejects.toThrow(/2 needles .* by its path, as in 'deep\/twice'/)
    await expect(needles.tagged('logn')).rejects.toThrow(/no needle in .* has the tag 'logn'; did you mean 'login'/)
  })

  test('that is not there, is a file or is empty is refused', () => {
    writeFileSync(join(folder, 'file'), '')
    mkdirSync(join(folder, 'empty'))
    expect(() => openNeedles(join(folder, 'nowhere'))).toThrow(/folder .*nowhere does not exist/)
    expect(() => openNeedles(join(folder, 'file'))).toThrow(/is a file/)
    expect(() => openNeedles(join(folder, 'empty'))).toThrow(/there is no needle in .*empty/)
  })
})
