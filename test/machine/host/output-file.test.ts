import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { checkOutputFile, OutputFile, writeOutputFile } from '../../../machine/host/output-file.js'

let folder: string
const at = (name: string) => join(folder, name)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootwright-out-'))
})

/** Its sentence. */
function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    expect((error as Error).name).toBe('UnwritableFile')
    return (error as Error).message
  }
  throw new Error('it was written')
}

describe('a regular file', () => {
  test('appears when it is complete, and keeps its mode', () => {
    writeFileSync(at('a'), 'before')
    chmodSync(at('a'), 0o640)
    const file = OutputFile.replacing(at('a'))
    file.write(Buffer.from('after'))
    expect(readFileSync(at('a'), 'utf8')).toBe('before')
    file.finish()
    expect(readFileSync(at('a'), 'utf8')).toBe('after')
    expect(statSync(at('a')).mode & 0o777).toBe(0o640)
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test('stays when the new one is not completed, and nothing else is left', () => {
    writeFileSync(at('a'), 'before')
    const file = OutputFile.replacing(at('a'))
    file.write(Buffer.from('half'))
    file.drop()
    expect(readFileSync(at('a'), 'utf8')).toBe('before')
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test('that grows is seen while it grows', () => {
    const file = OutputFile.growing(at('log'))
    file.write(Buffer.from('one'))
    expect(readFileSync(at('log'), 'utf8')).toBe('one')
    file.finish()
  })
})

describe('a symbolic link', () => {
  test.each(['relative', 'absolute', 'dangling', 'through a folder'])('is followed: %s', (how) => {
    mkdirSync(at('there'))
    if (how !== 'dangling') writeFileSync(at('there/a'), 'before')
    symlinkSync(how === 'absolute' ? at('there/a') : 'there/a', at('one'))
    symlinkSync('one', at('link'))
    symlinkSync('there', at('folder'))
    const path = how === 'through a folder' ? at('folder/../there/a') : at('link')
    writeOutputFile(path, 'after')
    expect(readFileSync(at('there/a'), 'utf8')).toBe('after')
    expect(lstatSync(at('one')).isSymbolicLink() && lstatSync(at('link')).isSymbolicLink()).toBe(true)
    expect(readdirSync(at('there'))).toEqual(['a'])
  })

  test('that leads in a circle is refused', () => {
    symlinkSync('b', at('a'))
    symlinkSync('a', at('b'))
    for (const work of [checkOutputFile, OutputFile.growing, OutputFile.replacing])
      expect(refusal(() => work(at('a')))).toContain('leads in a circle')
  })
})

describe('what is refused', () => {
  test('a folder, a pipe, a socket, a missing folder, a file for a folder, a long name, a zero byte', async () => {
    execFileSync('mkfifo', [at('pipe')])
    symlinkSync('pipe', at('pipe-link'))
    writeFileSync(at('file'), '')
    const server = createServer().listen(at('socket'))
    await new Promise((done) => server.once('listening', done))
    const cases: [string, string][] = [
      [folder, 'is a directory'],
      [at('pipe'), 'is a pipe'],
      [at('pipe-link'), 'is a pipe'],
      [at('socket'), 'is a socket'],
      [at('none/x'), `there is no folder '${at('none')}'`],
      [at('none/'), 'names a directory that is not there'],
      [at('file/x'), 'a part of its path is not a directory'],
      [at('x'.repeat(300)), 'its path is too long'],
      [at('x\0y'), 'a zero byte'],
      ['/dev/fd/987654', 'is no descriptor'],
    ]
    const before = readdirSync(folder)
    for (const [path, says] of cases)
      for (const work of [checkOutputFile, OutputFile.growing, OutputFile.replacing])
        expect(refusal(() => work(path))).toContain(says)
    expect(readdirSync(folder)).toEqual(before)
    await new Promise((done) => server.close(done))
  })
})

describe('a device', () => {
  // The node itself is what is at stake: each has a link to it.
  test.skipIf(process.platform !== 'linux')('is written to and never replaced', () => {
    symlinkSync('/dev/null', at('null'))
    for (const path of ['/dev/null', at('null')]) {
      checkOutputFile(path)
      writeOutputFile(path, 'gone')
      const file = OutputFile.growing(path)
      file.write(Buffer.from('gone'))
      file.finish()
    }
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
    expect(readdirSync(folder)).toEqual(['null'])
  })

  test.skipIf(process.platform !== 'linux')('that is full is the host’s error, with the path', () => {
    expect(() => writeOutputFile('/dev/full', 'x')).toThrow(
      expect.objectContaining({ code: 'ENOSPC', path: '/dev/full' }),
    )
  })
})

describe.skipIf(process.platform === 'win32')('an open descriptor', () => {
  test('is written to where it stands, not emptied and not replaced', () => {
    writeFileSync(at('a'), 'before ')
    const fd = openSync(at('a'), 'a')
    const { ino } = statSync(at('a'))
    symlinkSync(`/dev/fd/${fd}`, at('link'))
    writeOutputFile(`/dev/fd/${fd}`, 'one ')
    writeOutputFile(at('link'), 'two')
    closeSync(fd)
    expect(readFileSync(at('a'), 'utf8')).toBe('before one two')
    expect(statSync(at('a')).ino).toBe(ino)
  })

  test('/dev/stdout of a process whose output is a file, or a pipe that is read late', () => {
    const module = new URL('../../../dist/machine/host/output-file.js', import.meta.url).href
    const program = `import { writeOutputFile } from ${JSON.stringify(module)}
      process.stdout.write('first ')
      writeOutputFile('/dev/stdout', 'x'.repeat(300000))`
    const args = ['--input-type=module', '-e', program]
    const out = openSync(at('out'), 'w')
    expect(spawnSync(process.execPath, args, { stdio: ['ignore', out, 'inherit'] }).status).toBe(0)
    closeSync(out)
    expect(readFileSync(at('out'), 'utf8')).toMatch(/^first x{300000}$/)
    const quoted = `"${process.execPath}" --input-type=module -e "$PROGRAM" | (sleep 0.3; cat)`
    const piped = spawnSync('sh', ['-c', quoted], { env: { ...process.env, PROGRAM: program } })
    expect(piped.stdout.toString()).toMatch(/^first x{300000}$/)
  })
})
