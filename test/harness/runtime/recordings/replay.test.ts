/** Recordings: what came from outside goes to another machine at the very same instructions. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunResult, Step } from '../../../../harness/protocol/script.js'
import { Replay, readRecording } from '../../../../harness/runtime/recordings/replay.js'
import { VmThread } from '../../../../harness/thread/machine-thread.js'
import { programFloppy } from '../../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-replay-'))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))
const recording = join(folder, 'run.jsonl')
const config = { memory: 16 << 20, floppies: [{ path: floppy }], record: recording }

const serial = (source: string): Step => ({
  kind: 'until',
  condition: { kind: 'serial', port: 0, pattern: { source, flags: '' } },
})

describe('a recording', () => {
  let result: RunResult

  beforeAll(async () => {
    const vm = await VmThread.start(config)
    const keys = ['KeyA', 'KeyB', 'KeyC'].flatMap((code): Step[] => [{ kind: 'tap', codes: [code] }])
    const steps: Step[] = [serial('>'), ...keys, serial('abc'), { kind: 'reset' }, serial('>'), ...keys, serial('abc')]
    result = await vm.run({ steps, hostTimeoutMs: 150_000 })
    await vm.close()
    expect(result.error).toBeUndefined()
  }, 180_000)

  afterAll(() => rmSync(folder, { recursive: true }))

  test('is replayed to the same instruction, every hash equal; and goes back', { timeout: 120_000 }, async () => {
    const { events } = readRecording(recording)
    expect(events.filter((event) => event.do === 'input' && event.event.kind === 'key')).toHaveLength(12)
    expect(events.at(-1)).toMatchObject({ do: 'end', at: result.guestTimeNs })
    const replay = await Replay.open(recording)
    replay.runTo(Number.POSITIVE_INFINITY)
    expect([replay.machine.now(), replay.machine.instructions()]).toEqual([result.guestTimeNs, result.instructions])
    expect(replay.verified).toBe(events.filter(({ do: what }) => what === 'end' || what === 'checkpoint').length)
    // Back to the middle, and on again.
    const there = Math.round(result.guestTimeNs * 0.6)
    replay.runTo(there)
    expect(replay.machine.now()).toBeGreaterThanOrEqual(there)
    expect(replay.machine.now()).toBeLessThan(there + 1e6)
    replay.runTo(Number.POSITIVE_INFINITY)
    expect(replay.machine.instructions()).toBe(result.instructions)
    replay.close()
  })

  test('that no longer fits says where', { timeout: 120_000 }, async () => {
    const lines = readFileSync(recording, 'utf8').split('\n')
    const first = lines.findIndex((line) => line.includes('"key"'))
    const changed = join(folder, 'changed.jsonl')
    writeFileSync(changed, lines.filter((_, i) => i < first || i > first + 1).join('\n'))
    const replay = await Replay.open(changed)
    expect(() => replay.runTo(Number.POSITIVE_INFINITY)).toThrow(/no longer the recorded run at .* instruction/)
    replay.close()
  })

  test('needs the media that it was made with', async () => {
    writeFileSync(floppy, programFloppy('idle'))
    await expect(Replay.open(recording)).rejects.toThrow(/echo\.img" is not the floppy A that the recording/)
    writeFileSync(floppy, programFloppy('echo'))
  })

  test('that is something else is refused by name', () => {
    expect(() => readRecording(floppy)).toThrow(/echo\.img" is no recording/)
    expect(() => readRecording(join(folder, 'none'))).toThrow(/none" does not exist/)
    const newer = join(folder, 'newer.jsonl')
    writeFileSync(newer, '{"recording":"bootwright","version":99}\n')
    expect(() => readRecording(newer)).toThrow(/version 99, this bootwright replays 2/)
  })

  test('cannot be made on kvm', async () => {
    const wanted = { ...config, engine: 'kvm' as const, record: join(folder, 'kvm.jsonl') }
    await expect(VmThread.start(wanted)).rejects.toMatchObject({
      name: 'RecordingError',
      message: expect.stringContaining('kvm engine cannot be recorded'),
    })
  })
})
