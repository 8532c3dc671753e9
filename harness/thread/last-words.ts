/**
 * Of a machine whose thread does not answer: what it had told until then makes a result all the same. It should never be
 * needed, because the thread looks at the clock itself whatever the guest does.
 */
import type { MachineReport } from '../../machine/report.js'
import type { Progress } from '../protocol/messages.js'
import type { RunResult, Script } from '../protocol/script.js'

/** Bytes that are kept of each serial line. */
const TAIL = 4096
const LAST_LINES = 20
/** The machine itself cannot be asked any more. */
const NOTHING: MachineReport = {
  unhandled: [],
  warnings: [],
  lastIo: [],
  faults: [],
  registers: '',
  backtraces: [],
  mouse: false,
}

export class LastWords {
  private readonly tails: Uint8Array[] = []
  private progress: Progress | undefined

  onProgress(progress: Progress): void {
    this.progress = progress
  }

  onSerial(port: number, bytes: Uint8Array): void {
    const before = this.tails[port] ?? new Uint8Array()
    this.tails[port] = Buffer.concat([before, bytes]).subarray(-TAIL)
  }

  result(script: Script, outcome: 'timeout' | 'interrupted', error: string, hostMs: number): RunResult {
    const { progress, tails } = this
    const text = progress?.lastLine ?? ''
    return {
      ...NOTHING,
      lost: true,
      outcome,
      error,
      exit: { reason: outcome },
      step: Math.max(0, script.steps.length - 1),
      guestTimeNs: progress?.guestTimeNs ?? 0,
      instructions: progress?.instructions ?? 0,
      mode: { kind: 'text', width: 0, height: 0, columns: text.length, rows: 1, depth: 0 },
      text,
      cells: undefined,
      serial: tails.flatMap((bytes, port) => (bytes ? [{ port, lines: lastLines(bytes) }] : [])),
      mediaFailures: [],
      matched: undefined,
      resets: 0,
      hostMs,
      shots: [],
      hostInput: true,
    }
  }
}

function lastLines(bytes: Uint8Array): string[] {
  // Without escape sequences and other controls.
  const text = new TextDecoder().decode(bytes).replace(/[^\P{Cc}\n\t](\[[\d;?]*[@-~])?/gu, '')
  return text.trimEnd().split('\n').slice(-LAST_LINES)
}
