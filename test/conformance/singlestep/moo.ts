/** Reader of MOO files, the chunked format of the SingleStepTests for x86 (github.com/dbalsom/moo), as far as the runner needs it. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** In the order of the REGS chunk. */
export const REGISTERS = [
  'ax',
  'bx',
  'cx',
  'dx',
  'cs',
  'ss',
  'ds',
  'es',
  'sp',
  'bp',
  'si',
  'di',
  'ip',
  'flags',
] as const
export type Registers = { [name in (typeof REGISTERS)[number]]?: number }

export interface MooState {
  registers: Registers
  /** [address, byte] pairs. */
  memory: [number, number][]
}

export interface MooTest {
  index: number
  name: string
  bytes: Uint8Array
  initial: MooState
  /** Only what has changed. */
  final: MooState
  exception?: { vector: number; flagsAddress: number }
  hash: string
}

const HEADER = 8

function* chunks(data: Buffer, from: number, to: number): Generator<[string, number, number]> {
  let at = from
  while (at < to) {
    const length = data.readUInt32LE(at + 4)
    yield [data.toString('latin1', at, at + 4), at + HEADER, at + HEADER + length]
    at += HEADER + length
  }
}

function readState(data: Buffer, from: number, to: number): MooState {
  const state: MooState = { registers: {}, memory: [] }
  for (const [tag, start] of chunks(data, from, to)) {
    if (tag === 'REGS') {
      const mask = data.readUInt16LE(start)
      let at = start + 2
      REGISTERS.forEach((name, i) => {
        if (!(mask & (1 << i))) return
        state.registers[name] = data.readUInt16LE(at)
        at += 2
      })
    } else if (tag === 'RAM ') {
      const count = data.readUInt32LE(start)
      for (let i = 0; i < count; i++) state.memory.push([data.readUInt32LE(start + 4 + i * 5), data[start + 8 + i * 5]])
    }
  }
  return state
}

function readTest(data: Buffer, from: number, to: number): MooTest {
  const nothing: MooState = { registers: {}, memory: [] }
  const test: MooTest = {
    index: data.readUInt32LE(from),
    name: '',
    bytes: new Uint8Array(),
    initial: nothing,
    final: nothing,
    hash: '',
  }
  for (const [tag, start, end] of chunks(data, from + 4, to)) {
    if (tag === 'NAME') test.name = data.toString('latin1', start + 4, end)
    else if (tag === 'BYTS') test.bytes = data.subarray(start + 4, start + 4 + data.readUInt32LE(start))
    else if (tag === 'INIT') test.initial = readState(data, start, end)
    else if (tag === 'FINA') test.final = readState(data, start, end)
    else if (tag === 'EXCP') test.exception = { vector: data[start], flagsAddress: data.readUInt32LE(start + 1) }
    else if (tag === 'HASH') test.hash = data.toString('hex', start, end)
  }
  return test
}

/** The tests of a `.MOO` or `.MOO.gz` file; throws where it is something else. */
export function readMoo(path: string): { cpu: string; tests: MooTest[] } {
  const raw = readFileSync(path)
  const data = path.endsWith('.gz') ? gunzipSync(raw) : raw
  if (data.toString('latin1', 0, 4) !== 'MOO ') throw new Error(`${path} is no MOO file`)
  const header = HEADER + data.readUInt32LE(4)
  const tests: MooTest[] = []
  for (const [tag, start, end] of chunks(data, header, data.length))
    if (tag === 'TEST') tests.push(readTest(data, start, end))
  return { cpu: data.toString('latin1', 16, 20).trim(), tests }
}
