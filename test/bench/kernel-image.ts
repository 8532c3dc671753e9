/** The kernels: boot-sector programs in `kernels/*.asm`, assembled with nasm into floppy images. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HostError } from '../../harness/cli/errors.js'

export const KERNEL_FOLDER = fileURLToPath(new URL('./kernels', import.meta.url))

const FLOPPY_BYTES = 1440 * 1024
const TRACK_BYTES = 18 * 512

// The header in frame.inc.
const MAGIC = 'BWBENCH1'
const MAGIC_OFFSET = 8
const ITERATIONS_OFFSET = 16
const PER_ITERATION_OFFSET = 20
const SETUP_OFFSET = 24
const MARK_PORT_OFFSET = 28

/** In the order of the table; what is in no list comes after them. */
const ORDER = [
  ...['alu', 'memory', 'call', 'call-indirect', 'jump-table', 'memcpy', 'rep-movs', 'x87', 'sse2', 'avx2'],
  ...['syscall', 'interrupt', 'exception', 'page-fault', 'context-switch', 'out', 'vga-planar'],
]

/** The widths of code in which a program exists, by the ends of the kernels' names; most are there as 32 and 64. */
const WIDTHS = {
  '': { define: [], words: '' },
  '-64': { define: ['-d', 'LONG'], words: ' (64-bit code)' },
  '-16': { define: ['-d', 'SHORT'], words: ' (real mode)' },
} as const
export type Width = keyof typeof WIDTHS
const ONLY: { [program: string]: readonly Width[] } = {
  ...Object.fromEntries(
    ['alu', 'memory', 'call', 'call-indirect', 'jump-table', 'memcpy', 'rep-movs', 'x87'].map((name) => [
      name,
      ['', '-64', '-16'] as const,
    ]),
  ),
  out: [''],
  'vga-planar': ['', '-16'],
}

export interface Kernel {
  readonly name: string
  /** First comment line of the source: what is measured. */
  readonly title: string
  /** 64-bit code, which not every target runs. */
  readonly long: boolean
  /** It uses AVX2, which not every target has. */
  readonly avx: boolean
  /** The assembled program, at most one track. */
  readonly program: Uint8Array
  /** Iterations of a pass by default. */
  readonly iterations: number
}

export function kernelNames(): string[] {
  const rank = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length)
  const names = readdirSync(KERNEL_FOLDER)
    .filter((file) => file.endsWith('.asm'))
    .map((file) => file.slice(0, -4))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
  return (Object.keys(WIDTHS) as Width[]).flatMap((width) =>
    names.filter((name) => (ONLY[name] ?? ['', '-64']).includes(width)).map((name) => name + width),
  )
}

/** The width of code that the end of a kernel's name says. */
export function widthOf(name: string): Width {
  return (Object.keys(WIDTHS) as Width[]).find((width) => width !== '' && name.endsWith(width)) ?? ''
}

/** Assembles a kernel. Throws a HostError where nasm is missing or refuses the source. */
export function assembleKernel(name: string): Kernel {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-kernel-'))
  try {
    const width = widthOf(name)
    const { define, words } = WIDTHS[width]
    const source = join(KERNEL_FOLDER, `${name.slice(0, name.length - width.length)}.asm`)
    const binary = join(folder, 'kernel.bin')
    try {
      execFileSync('nasm', ['-f', 'bin', ...define, '-I', `${KERNEL_FOLDER}/`, '-o', binary, source], { stdio: 'pipe' })
    } catch (error) {
      const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: Buffer }
      if (code === 'ENOENT')
        throw new HostError('nasm is missing, which assembles the kernels: install it with "apt install nasm"')
      throw new HostError(`nasm refuses ${source}: ${String(stderr).trim().split('\n')[0]}`)
    }
    const program = new Uint8Array(readFileSync(binary))
    if (program.length > TRACK_BYTES) throw new HostError(`${source} is longer than the 9,216 bytes that are loaded`)
    if (Buffer.from(program.buffer, MAGIC_OFFSET, MAGIC.length).toString('latin1') !== MAGIC)
      throw new HostError(`${source} does not begin with frame.inc`)
    const text = readFileSync(source, 'utf8')
    return {
      name,
      title: (/^; *(.+?)[.:]/.exec(text)?.[1] ?? name) + words,
      long: width === '-64',
      avx: text.includes('%define AVX'),
      program,
      iterations: view(program).getUint32(ITERATIONS_OFFSET, true),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A 1.44 M floppy with the kernel, its iterations in a pass and its mark port patched in. */
export function kernelFloppy(kernel: Kernel, { iterations, markPort }: { iterations: number; markPort: number }) {
  const image = new Uint8Array(FLOPPY_BYTES)
  image.set(kernel.program)
  view(image).setUint32(ITERATIONS_OFFSET, iterations, true)
  view(image).setUint16(MARK_PORT_OFFSET, markPort, true)
  return image
}

/** Instructions of one pass, from mark to mark. */
export function instructionsOfPass({ program }: Kernel, iterations: number): number {
  return iterations * view(program).getUint32(PER_ITERATION_OFFSET, true) + view(program).getUint32(SETUP_OFFSET, true)
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset)
}
