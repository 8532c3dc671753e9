/**
 * A program of FEX-Emu's unittests: nasm source whose head is JSON between `%ifdef CONFIG` and `%endif`, which says what
 * memory it needs and what the registers hold when it comes to its HLT.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface FexProgram {
  bits: 32 | 64
  /** What it asks of the CPU, by FEX's names. */
  features: string[]
  /** FEX's own settings. */
  environment: { [name: string]: string }
  /** Register to its 64-bit pieces, the lowest first. */
  registers: [name: string, values: bigint[]][]
  /** Address and size. */
  regions: [bigint, bigint][]
  data: [address: bigint, bytes: Uint8Array][]
}

interface Config {
  MODE?: string
  HOSTFEATURES?: string[]
  ENV?: { [name: string]: string }
  REGDATA?: { [name: string]: string | string[] }
  MEMORYREGIONS?: { [address: string]: string }
  MEMORYDATA?: { [address: string]: string }
}

/** The program's head; undefined where it has none. */
export function parseProgram(source: string): FexProgram | undefined {
  const json = source.split('%ifdef CONFIG')[1]?.split('%endif')[0]
  if (json === undefined) return undefined
  const raw = Object.entries(JSON.parse(json)).map(([key, value]) => [key.toUpperCase(), value])
  const config: Config = Object.fromEntries(raw)
  const entries = <T>(object?: { [key: string]: T }): [string, T][] => Object.entries(object ?? {})
  return {
    bits: config.MODE?.toUpperCase() === '32BIT' ? 32 : 64,
    features: (config.HOSTFEATURES ?? []).map((name) => name.toUpperCase()),
    environment: config.ENV ?? {},
    registers: entries(config.REGDATA).map(([name, values]) => [
      name.toUpperCase(),
      [values].flat().map((value) => number(value)),
    ]),
    regions: entries(config.MEMORYREGIONS).map(([address, size]) => [number(address), number(size)]),
    data: entries(config.MEMORYDATA).map(([address, text]) => [number(address), bytesOf(text)]),
  }
}

/** As Python reads it: underscores may separate digits. */
function number(text: string): bigint {
  return BigInt.asUintN(64, BigInt(text.replaceAll('_', '')))
}

/** Numbers in hexadecimal, each stored with its lowest byte first. */
function bytesOf(text: string): Uint8Array {
  const numbers = text.split(' ').map((number) => (text.startsWith('0x') ? number.slice(2) : number))
  return Uint8Array.from(
    numbers.flatMap((number) => [...Buffer.from(number.padStart((number.length + 1) & ~1, '0'), 'hex')].reverse()),
  )
}

/** Assembles the program as FEX's build does; an Error with nasm's first complaint where that fails. */
export function assembleProgram(source: string, bits: 32 | 64, includes: string, folder: string): Uint8Array {
  // 17h is the data segment of 32-bit programs.
  const head = bits === 64 ? 'BITS 64\n' : 'BITS 32\norg 10000h\nmov eax, 0x17\nmov ds, ax\nmov es, ax\n'
  const input = join(folder, 'program.asm')
  const output = join(folder, 'program.bin')
  writeFileSync(input, `${head}${source}\nret\n`)
  const { status, stderr } = spawnSync('nasm', ['-i', `${includes}/`, '-o', output, input], { encoding: 'utf8' })
  if (status !== 0) throw new Error((/error: (.*)/.exec(stderr ?? '')?.[1] ?? stderr ?? '').trim())
  return new Uint8Array(readFileSync(output))
}
