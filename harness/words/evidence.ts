/** What is shown of a machine when something did not go well: its last screen and serial lines, and why it stopped. */

import type { PortAccess } from '../../machine/bus/port-log.js'
import type { Refusal } from '../../machine/cpu/engine.js'
import type { Backtrace, MachineReport, UnhandledAccess } from '../../machine/report.js'
import type { Warning } from '../../machine/warnings.js'
import { printable } from '../../reports/printable.js'
import type { Look, PhaseReached, RunResult } from '../protocol/script.js'
import { frameWords, placeWords } from './place-words.js'
import { requestWords, tellingRequests } from './request-words.js'

export type Evidence = Look & Partial<Pick<RunResult, 'exit'>>

/**
 * What the guest showed last and what it lacked, for people.
 *
 * @param picture Where a graphics screen can be seen.
 */
export function evidence(result: Evidence, picture = '--screenshot F.png shows it'): string {
  const lines: string[] = []
  const { mode, text } = result
  if (text !== undefined) {
    lines.push(`last screen (${mode.columns}x${mode.rows}):`, ...boxed(text))
  } else if (mode.kind === 'graphics') {
    lines.push(`last screen: graphics mode ${mode.width}x${mode.height}x${mode.depth}; ${picture}`)
  } else {
    lines.push('last screen: off')
  }
  for (const { port, lines: last } of result.serial) lines.push(`last lines of COM${port + 1}:`, ...last.map(indent))
  if (result.serial.length === 0) lines.push('no serial output')
  const detail = result.exit?.detail
  if (detail) lines.push('why:', ...detail.split('\n').map(indent))
  else if (result.registers) lines.push('registers:', ...result.registers.trimEnd().split('\n').map(indent))
  for (const trace of result.backtraces) lines.push(...backtraceLines(trace, result.backtraces.length > 1))
  if (result.faults.length > 0) lines.push('last exceptions:', ...result.faults.map(faultLine).map(indent))
  if (result.lastIo.length > 0) lines.push('last I/O:', ...result.lastIo.map(accessLine).map(indent))
  if (result.phases && result.phases.length > 0) lines.push('phases:', ...result.phases.map(phaseLine).map(indent))
  if (result.requests && result.requests.length > 0)
    lines.push(
      'asked of the LAN:',
      ...tellingRequests(result.requests, 10).map((one) => indent(`${seconds(one.time)} ${requestWords(one)}`)),
    )
  if (result.mediaFailures.length > 0)
    lines.push('media that failed under the guest:', ...result.mediaFailures.map(indent))
  lines.push(...some('devices warned of:', result.warnings, warningLine))
  lines.push(...some('touched, but not there:', result.unhandled, unhandledLine))
  return `${printable(lines.join('\n'))}\n`
}

/** @param picture The file with the last screen. */
export function pictureWords(picture: string | undefined): string {
  return picture ? `see ${picture}` : 'no picture was kept'
}

/** Those that came most often. */
const MOST = 10

function some<T>(title: string, list: readonly T[], line: (item: T) => string): string[] {
  if (list.length === 0) return []
  const shown = list.slice(0, MOST).map((item) => indent(line(item)))
  return [title, ...shown, ...(list.length > MOST ? [indent(`and ${list.length - MOST} more`)] : [])]
}

function unhandledLine({ kind, address, name, reads, writes }: UnhandledAccess): string {
  return `${kind} ${hex(address)}${name ? ` (${name})` : ''}: ${reads} reads, ${writes} writes`
}

/** `82077 command that does not exist, 3 times, last 0x1f` */
export function warningLine({ text, address, count }: Warning): string {
  const often = count === 1 ? '' : `, ${count} times`
  return `${text}${often}${address === undefined ? '' : `${count === 1 ? ' at' : ', last at'} ${hex(address)}`}`
}

const hex = (number: number) => `0x${number.toString(16)}`

/** By vector: Intel SDM vol. 3, table 6-1. Vectors 9 and 15 are none. */
const EXCEPTIONS = '#DE #DB NMI #BP #OF #BR #UD #NM #DF 9 #TS #NP #SS #GP #PF 15 #MF #AC #MC #XM'.split(' ')

/** Of a CPU with symbols, or with callers. */
function backtraceLines({ cpu, frames }: Backtrace, isOneOfSeveral: boolean): string[] {
  if (frames.length < 2 && frames[0]?.symbol === undefined) return []
  const title = isOneOfSeveral ? `backtrace of CPU ${cpu}:` : 'backtrace:'
  return [title, ...frames.map((frame, i) => indent(frameWords(frame, i)))]
}

function faultLine({
  vector,
  errorCode,
  cs,
  ip,
  cr2,
  refused,
  instructions,
  at,
}: MachineReport['faults'][number]): string {
  const name = EXCEPTIONS[vector] ?? `vector ${vector}`
  const error = errorCode === undefined ? '' : `, error code ${hex(errorCode)}`
  const address = cr2 === undefined ? '' : `, CR2 ${cr2}`
  const access = refused === undefined ? '' : `, ${refusalText(refused)}`
  const where = at ? ` in ${placeWords(at)}` : ''
  return `${name} at ${cs.toString(16)}:${ip.slice(2)}${where}${error}${address}${access}, after ${instructions} instructions`
}

/** `read DS:0804A0F8 past its limit 7FFFFFh` */
function refusalText({ access, segment = '', offset, limit, why }: Refusal): string {
  const digits = offset.slice(2).toUpperCase()
  if (why === 'not canonical') return `${access} ${digits}h, which is not canonical`
  const where = `${access} ${segment}:${digits.padStart(digits.length > 4 ? 8 : 4, '0')}`
  if (why === 'null selector') return `${where} through a null selector`
  if (why === 'type') return `${where}, which its type does not allow`
  return `${where} ${why} ${limit.slice(2).toUpperCase()}h`
}

function accessLine({ kind, port, name, value, times }: PortAccess): string {
  const often = times === 1 ? '' : `, ${times} times, last`
  return `${kind} port ${hex(port)}${name ? ` (${name})` : ''}${often}: ${hex(value)}`
}

function phaseLine({ name, percent, guestTimeNs }: PhaseReached): string {
  return `${seconds(guestTimeNs)} ${name}${percent === undefined ? '' : `, ${percent} %`}`
}

const seconds = (ns: number) => `${(ns / 1e9).toFixed(3)} s`

function indent(line: string): string {
  return `  ${line}`
}

/** Without the empty rows at the end. */
function boxed(text: string): string[] {
  const rows = text.trimEnd().split('\n')
  return rows.map((row) => `  | ${row}`)
}
