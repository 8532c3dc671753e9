/** The commands at a queue: what is wrong in one sentence, and a guest and a test by a worker of its own process. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readResults } from '../../../reports/matrix/results-folder.js'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'
import { noRedis, RedisHere, redisNote } from '../queue/redis-here.js'
import { bootwright } from './command.js'
import { inProcess } from './in-process.js'
import { type WorkerHere, workerHere } from './worker-here.js'

describe('in one sentence', () => {
  test.each<[string[], number, RegExp]>([
    [['matrix', 'freedos', '--queue', 'http://127.0.0.1'], 2, /is no queue's address; write redis:\/\/HOST:6379/],
    [['matrix', '--queue', ''], 2, /--queue has an empty address/],
    [['matrix', '--wait', '5m'], 2, /--wait is for workers; give --queue, too/],
    [['matrix', '--queue', 'redis://x', '--wait', 'long'], 2, /--wait 'long' is no time/],
    [['worker', '--queue', 'redis://x', '--jobs', '0'], 2, /--jobs '0' is no number of tasks/],
    [['worker', '--queue', 'redis://x', '--memory', 'much'], 2, /--memory 'much' is not a size/],
    [['worker'], 2, /a worker needs a queue: give --queue/],
    [['test', '--queue', 'redis://x', '--config', 'other.ts'], 2, /--config cannot be given together with --queue/],
  ])('%j', async (args, code, message) => {
    const ended = await inProcess(args)
    expect(ended.stderr.trim().split('\n')).toHaveLength(1)
    expect(ended.stderr).toMatch(message)
    expect(ended.code).toBe(code)
  })

  test('a queue that is not there', async () => {
    const commands = [['matrix', 'freedos'], ['worker']].map((words) => [
      ...words,
      '--queue',
      'redis://me:secret@127.0.0.1:1',
    ])
    for (const { code, stdout, stderr } of await Promise.all(commands.map((words) => bootwright(words)))) {
      expect(stderr).toMatch(
        /^bootwright: the queue redis:\/\/127\.0\.0\.1:1 is not there: its host refuses .*; start .*\n$/,
      )
      expect([code, stdout]).toEqual([3, ''])
    }
  })
})

describe.skipIf(noRedis ?? noFirmware)(`with a worker${redisNote}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'queue-command-'))
  let redis: RedisHere
  let worker: WorkerHere
  let guest: string

  beforeAll(async () => {
    redis = await RedisHere.start()
    writeFileSync(join(folder, 'exit0.img'), programFloppy('exit0'))
    const machine = { memory: 16, floppies: [{ kind: 'file', path: join(folder, 'exit0.img') }] }
    const until = { kind: 'exit', reasons: ['debug-exit'] }
    const levels = [{ name: 'end', title: 'x', until }]
    guest = join(folder, 'tiny.mjs')
    const tiny = { name: 'tiny', title: 'Tiny', family: 'test', licence: 'MIT', machine, levels }
    writeFileSync(guest, `export default ${JSON.stringify(tiny)}`)
    worker = await workerHere(redis.url, [guest, '--jobs', '1'])
  })
  afterAll(async () => {
    expect(await worker?.stop()).toBe(0)
    await redis?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  test('a guest is booted there, and its result is the one that is measured here', async () => {
    const [there, here] = ['there', 'here'].map((name) => join(folder, name))
    const queue = ['--queue', redis.url, '--wait', '5s']
    const remote = await bootwright(['matrix', guest, '--out', there, ...queue])
    expect(remote.code, remote.stderr).toBe(0)
    expect(remote.stdout).toMatch(/1 worker on .*, 1 guests at a time\n✓ Tiny: end 1\/1/)
    expect((await bootwright(['matrix', guest, '--out', here])).code).toBe(0)
    const [a, b] = [there, here].map((place) => readResults(place).measurements[0])
    const counted = ({ cell }: typeof a) => ({
      ...{ instructions: cell.instructions, guestTimeNs: cell.guestTimeNs, media: cell.media, command: cell.command },
      ...{ levels: cell.levels.map(({ hostTimeMs: _, ...level }) => level), status: cell.status },
    })
    expect(counted(a)).toEqual(counted(b))
    expect(a.cell.levels[0].evidence?.serial).toContain('done')
    expect(a.cell.levels[0].evidence?.screenshot?.path).toMatch(/^screenshots\//)
    expect(readFileSync(join(there, 'matrix.html'), 'utf8')).not.toContain('Running now')
  })
})
