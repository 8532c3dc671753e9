/** What `bootwright run` says at its end: one JSON object, or sentences. */

import type { Backtrace, MachineReport, UnhandledAccess } from '../../machine/report.js'
import { printableJson } from '../../reports/printable.js'
import type { EndReason, RunResult } from '../protocol/script.js'
import { qemuStatus } from '../words/exit-words.js'
import { type RegisterFields, registerFieldsOfEach } from '../words/register-fields.js'
import { complaint, EXIT } from './errors.js'

/** The object that `--json` prints. Its fields are kept from version to version; new ones may come. */
export interface RunJson {
  format: 'bootwright-exit'
  /** Raised when a field changes its meaning or goes. */
  version: 1
  outcome: 'ok' | 'failed' | 'timeout' | 'error'
  /** The exit code of the command. */
  exitCode: number
  /** One sentence, where the outcome is not `ok`. */
  error?: string
  /** The rest is there once the machine was there. */
  exit?: { reason: EndReason; code?: number; qemuStatus?: number; detail?: string }
  engine?: 'soft' | 'kvm'
  engineReason?: string
  guestTimeNs?: number
  guestSeconds?: number
  hostSeconds?: number
  instructions?: number
  /** How often the guest reset the machine. */
  resets?: number
  screen?: {
    mode: 'text' | 'graphics' | 'off'
    /** Pixels. */
    width: number
    height: number
    /** Cells; 0 in graphics modes. */
    columns: number
    rows: number
    /** Bits a pixel; 0 in text modes. */
    depth: number
    /** Rows joined by line feeds; absent in graphics modes. */
    text?: string
  }
  serial?: { port: string; lines: string[] }[]
  /** What the guest touched and the machine does not have. */
  unhandled?: UnhandledJson[]
  /** The same of the firmware, before it handed over. */
  unhandledByFirmware?: UnhandledJson[]
  /** What the machine's devices warned of, most often first: registers and commands that they lack, media that failed. */
  warnings?: { text: string; address?: string; count: number }[]
  /** Media that the host could not read or write when the guest did. */
  mediaFailures?: string[]
  /** The ports that were accessed last, and how often; the last one last. */
  lastIo?: { kind: 'read' | 'write'; port: string; name?: string; size: number; value: string; times: number }[]
  /** The last exceptions (soft engine), the last one last. */
  faults?: MachineReport['faults']
  /** Where each CPU is and how it came there, the innermost function first; with names where there are symbols. */
  backtraces?: Backtrace[]
  /**
   * The bootstrap processor's as they were at the end, by their names in small letters: numbers in hexadecimal, segments
   * by their parts.
   */
  registers?: RegisterFields
  /** Those of each CPU, where there are several. */
  cpus?: RegisterFields[]
  screenshot?: string
  /** A person's input came in, so another run need not go the same way. */
  hostInput?: boolean
}

export interface UnhandledJson {
  kind: string
  address: string
  name?: string
  reads: number
  writes: number
}

function unhandledJson(item: UnhandledAccess): UnhandledJson {
  return { ...item, address: hex(item.address) }
}

export interface Engine {
  engine: 'soft' | 'kvm'
  engineReason: string
}

export function exitCodeOf(result: RunResult): number {
  switch (result.outcome) {
    case 'ok':
      return EXIT.ok
    case 'timeout':
      return EXIT.timeout
    case 'interrupted':
      return EXIT.interrupted
    case 'failed':
      return result.exit.reason === 'failure' ? EXIT.infrastructure : EXIT.failed
  }
}

const hex = (number: number) => `0x${number.toString(16)}`

/** What the object says of itself. */
export const RUN_JSON = { format: 'bootwright-exit', version: 1 } as const

export function runJson(result: RunResult, engine: Engine, screenshot: string | undefined): RunJson {
  const { mode, exit } = result
  const cpus = registerFieldsOfEach(result.registers)
  return {
    ...RUN_JSON,
    outcome: result.outcome === 'interrupted' ? 'error' : result.outcome,
    exitCode: exitCodeOf(result),
    ...(result.error !== undefined && { error: result.error }),
    exit: { ...exit, ...(exit.code !== undefined && { qemuStatus: qemuStatus(exit.code) }) },
    engine: engine.engine,
    engineReason: engine.engineReason,
    guestTimeNs: result.guestTimeNs,
    guestSeconds: result.guestTimeNs / 1e9,
    hostSeconds: Math.round(result.hostMs) / 1e3,
    instructions: result.instructions,
    resets: result.resets,
    screen: {
      mode: mode.kind,
      width: mode.width,
      height: mode.height,
      columns: mode.columns,
      rows: mode.rows,
      depth: mode.depth,
      ...(result.text !== undefined && { text: result.text }),
    },
    serial: result.serial.map(({ port, lines }) => ({ port: `COM${port + 1}`, lines })),
    unhandled: result.unhandled.map(unhandledJson),
    unhandledByFirmware: (result.unhandledByFirmware ?? []).map(unhandledJson),
    warnings: result.warnings.map(({ text, address, count }) => ({
      text,
      ...(address !== undefined && { address: hex(address) }),
      count,
    })),
    ...(result.mediaFailures.length > 0 && { mediaFailures: result.mediaFailures }),
    lastIo: result.lastIo.map((access) => ({ ...access, port: hex(access.port), value: hex(access.value) })),
    faults: result.faults,
    backtraces: result.backtraces,
    registers: cpus[0] ?? {},
    ...(cpus.length > 1 && { cpus }),
    ...(screenshot !== undefined && { screenshot }),
    ...(result.hostInput && { hostInput: true }),
  }
}

/**
 * One line on how it went, for people.
 * @param chosen The engine was not asked for: where the run was too slow or could not go on, why it was taken matters.
 */
export function summary(result: RunResult, engine: Engine, chosen: boolean): string {
  const { exit, outcome } = result
  const byGuest = !['condition', 'timeout', 'interrupted', 'script'].includes(exit.reason)
  const end = byGuest ? `${outcome}, ${describeReason(exit)}` : outcome
  const matters = chosen && (outcome === 'timeout' || exit.reason === 'failure')
  const million = result.instructions / 1e6
  const parts = [
    `guest ${seconds(result.guestTimeNs / 1e9)}`,
    `host ${seconds(result.hostMs / 1e3)}`,
    ...(result.instructions > 0 ? [`${million.toFixed(million < 10 ? 1 : 0)} M instructions`] : []),
    `engine ${engine.engine}${matters && engine.engineReason ? ` (${engine.engineReason})` : ''}`,
  ]
  return `${end}: ${parts.join(', ')}`
}

function describeReason({ reason, code }: RunResult['exit']): string {
  return code === undefined ? reason : `${reason} with code ${code} (QEMU's exit status ${qemuStatus(code)})`
}

function seconds(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} s`
}

/** For what went wrong before there was a machine. */
export function errorJson(error: unknown): RunJson {
  const { message, exitCode } = complaint(error)
  return { ...RUN_JSON, outcome: 'error', exitCode, error: message }
}

export function printJson(value: object): void {
  process.stdout.write(`${printableJson(value, 2)}\n`)
}
