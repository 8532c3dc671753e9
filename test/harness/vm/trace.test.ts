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
