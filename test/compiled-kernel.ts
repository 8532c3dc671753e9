/** Kernels in C for tests, where the host has GNU's compiler. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-kernels-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const FREESTANDING = [
  ...[
    '-m32',
    '-g',
    '-ffreestanding',
    '-fno-pic',
    '-no-pie',
    '-fno-stack-protector',
    '-fcf-protection=none',
    '-mno-sse',
  ],
  ...['-nostdlib', '-static', '-Wl,-Ttext=0x100000', '-Wl,--build-id=none', '-Wl,-z,noexecstack'],
]

export const haveCompiler = spawnSync('gcc', ['-m32', '-E', '-xc', '/dev/null'], { stdio: 'ignore' }).status === 0

/** The path of an ELF file for `--kernel`. */
export function compiledKernel(name: string, source: string, ...flags: readonly string[]): string {
  const path = join(folder, name)
  const { status, stderr } = spawnSync('gcc', [...FREESTANDING, ...flags, '-o', path, basename(source)], {
    cwd: dirname(source),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`gcc ${name}: ${stderr}`)
  return path
}
