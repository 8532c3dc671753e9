/** Places in a guest's program, in words. */
import type { Backtrace, Place, StackFrame } from '../../machine/report.js'

/** `panic+0x1c (kernel.c:42)` */
export function placeWords({ address, symbol, offset = 0, file, line }: Place): string {
  const name = symbol === undefined ? address : offset > 0 ? `${symbol}+0x${offset.toString(16)}` : symbol
  return file === undefined ? name : `${name} (${file}:${line})`
}

/** How a frame was found, where that is not plain. */
const HOW: { readonly [by in StackFrame['by']]: string } = {
  registers: '',
  'unwind table': '',
  'frame pointer': '',
  call: '',
  interrupt: ', interrupted',
  guess: ', perhaps: its return address is on the stack',
}

/** `#1 0x00100a3c kmain+0x4f (kernel.c:17)` */
export function frameWords(frame: StackFrame, index: number): string {
  const digits = frame.address.slice(2)
  const address = `0x${digits.padStart(digits.length > 8 ? 16 : 8, '0')}`
  const place = frame.symbol === undefined && frame.file === undefined ? '?' : placeWords(frame)
  return `#${index} ${address} ${place}${HOW[frame.by]}${frame.times ? `, ${frame.times} times` : ''}`
}

/** Where the CPU is, or each of them, as the end of a sentence; empty where no symbol tells. */
export function whereWords(backtraces: readonly Backtrace[]): string {
  const known = backtraces.flatMap(({ cpu, frames: [frame] }) =>
    frame?.symbol === undefined ? [] : [`${backtraces.length > 1 ? `CPU ${cpu} ` : ''}in ${placeWords(frame)}`],
  )
  return known.slice(0, 4).join(', ')
}
