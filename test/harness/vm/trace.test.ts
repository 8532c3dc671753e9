/** A trace of a real boot program, driven through a machine's thread. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ensureFirmware } from '../../../harness/cli/firmware.js'
import { parseBootCommand } from '../../../harness/keys/boot-command.js'
import type { Step } from '../../../harness/protocol/script.js'
import { VmThread } from '../../../harness/thread/machine-thread.js'
import { serial, type text } from '../../../harness/vm/conditions.js'
import { TraceRecorder } from '../../../harness/vm/trace.js'
import { parseTrace } from '../../../reports/trace.js'
import { programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'trace-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function traceOf(program: Parameters<typeof programFloppy>[0], steps: Step[]) {
  const floppy = join(folder, `${program}.img`)
  writeFileSync(floppy, programFloppy(program))
  await ensureFirmware()
  const recorder = new TraceRecorder(program, 'soft')
  const vm = await VmThread.start(
    { engine: 'soft', floppies: [{ path: floppy }], memory: 16 << 20 },
    {
      onSerial: (port, bytes, guestTimeNs) => recorder.event({ kind: 'serial', guestTimeNs, port, bytes }),
      onTrace: (event) => recorder.event(event),
    },
  )
  await vm.trace()
  const result = await vm.run({ steps })
  await vm.close()
  return { result, trace: parseTrace(JSON.parse(JSON.stringify(await recorder.finish()))) }
}

describe('a trace', () => {
  test('has inputs, serial output, waits with their results, and each screen once', async () => {
    const until = (condition: ReturnType<typeof text>): Step => ({ kind: 'until', condition, timeoutNs: 30e9 })
    const { trace } = await traceOf('echo', [
      until(serial('>')),
      ...parseBootCommand('ab'),
      until(serial('ab')),
      until(serial(/never/)),
      ...parseBootCommand('x'),
    ])
    expect(trace.events.map(({ kind }) => kind).filter((kind) => kind !== 'serial' && kind !== 'screen')).toEqual([
      'condition',
      'input',
      'condition',
      'condition',
    ])
    expect(trace.events.flatMap((event) => (event.kind === 'input' ? [event.title] : []))).toEqual(['keys KeyA KeyB'])
    const waits = trace.events.filter((event) => event.kind === 'condition')
    expect(waits.map(({ outcome }) => outcome)).toEqual(['met', 'met', 'timeout'])
    expect(waits[2].error).toMatch(/waited 30 s of guest time for \/never\/ on COM1/)
    expect(waits[2].untilGuestTimeNs - waits[2].guestTimeNs).toBeGreaterThanOrEqual(30e9)
    expect(waits[1].guestTimeNs).toBeGreaterThan(waits[0].untilGuestTimeNs)
    expect(waits[2].guestTimeNs).toBe(waits[1].untilGuestTimeNs)
    const sent = trace.events.map((event) => (event.kind === 'serial' ? event.text : '')).join('')
    expect(sent).toBe('>ab')
    // While it boots, at every change; and each picture once.
    const shown = trace.events.filter((event) => event.kind === 'screen')
    expect(shown.length).toBeGreaterThan(1)
    expect(new Set(shown.map(({ screen }) => screen))).toEqual(new Set(Object.keys(trace.screens)))
    expect(Object.values(trace.screens)[0]).toMatchObject({ width: 720, height: 400 })
    expect(shown.at(-1)?.text).toContain('Booting from Floppy')
    expect(shown.every(({ guestTimeNs }) => guestTimeNs <= waits[0].untilGuestTimeNs)).toBe(true)
    const times = trace.events.map(({ guestTimeNs }) => guestTimeNs)
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })

  test('has the exit of a guest that stopped', async () => {
    const { trace, result } = await traceOf('tripleFault', [{ kind: 'until', condition: { kind: 'exit' } }])
    expect(result.outcome).toBe('failed')
    expect(trace.events.at(-1)).toMatchObject({ kind: 'exit', title: 'the CPU shut down in a triple fault' })
    expect(trace.events.find(({ kind }) => kind === 'condition')).toMatchObject({ outcome: 'failed' })
  })
})

describe('a guest that shows and says without end', () => {
  const most = { pictures: 96 << 10, waiting: 256 << 10, serial: 16 << 10 }
  const noise = (seed: number, size: number) => {
    const data = new Uint8Array(size * size * 4)
    for (let i = 0, x = seed + 1; i < data.length; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0
      data[i] = x >>> 24
    }
    return { width: size, height: size, data }
  }

  test('leaves its pictures thinned out, the first and the latest among them', async () => {
    const recorder = new TraceRecorder('noise', 'soft', most)
    const pictures = 300
    for (let i = 0; i < pictures; i++) {
      recorder.event({ kind: 'screen', guestTimeNs: i * 1e9, frame: noise(i, 32) })
      // Not quicker than they are deflated.
      if (i % 4 === 3) await recorder.video(1)
    }
    const { screens, events } = parseTrace(JSON.parse(JSON.stringify(await recorder.finish())))
    const at = events.map(({ guestTimeNs }) => guestTimeNs / 1e9)
    expect(at[0]).toBe(0)
    expect(at.at(-1)).toBeGreaterThan(pictures - 40)
    // Each has 4 KiB that do not deflate.
    expect([at.length > 10, at.length <= 24]).toEqual([true, true])
    expect(Object.keys(screens)).toHaveLength(at.length)
    expect(events.every((event) => event.kind === 'screen' && screens[event.screen])).toBe(true)
  })

  test('leaves out what comes quicker than it can be kept', async () => {
    const recorder = new TraceRecorder('noise', 'soft', most)
    for (let i = 0; i < 300; i++) recorder.event({ kind: 'screen', guestTimeNs: i, frame: noise(i, 128) })
    expect((await recorder.finish()).events.length).toBeLessThanOrEqual(6)
  })

  test('leaves the latest of what it said', async () => {
    const recorder = new TraceRecorder('flood', 'soft', most)
    const bytes = new Uint8Array(1 << 10).fill(0x61)
    for (let i = 0; i < 100; i++) recorder.event({ kind: 'serial', guestTimeNs: i, port: 0, bytes })
    recorder.event({ kind: 'serial', guestTimeNs: 100, port: 0, bytes: Buffer.from('the end') })
    const { events } = await recorder.finish()
    const text = events.map((event) => (event.kind === 'serial' ? event.text : '')).join('')
    expect([text.length > 15 << 10, text.length < 33 << 10]).toEqual([true, true])
    expect(text.endsWith('the end')).toBe(true)
  })
})
