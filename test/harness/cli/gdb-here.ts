/** The host's gdb, where it has one. */
import { spawn, spawnSync } from 'node:child_process'

export const haveGdb = spawnSync('gdb', ['--version']).status === 0

/** All that it says while it carries out the commands on the machine behind a port. @param about Architecture, or a file. */
export function gdb(
  port: number,
  commands: readonly string[],
  about = 'set architecture i386:x86-64',
): Promise<string> {
  const lines = ['set pagination off', 'set confirm off', about, `target remote 127.0.0.1:${port}`]
  const child = spawn('gdb', ['-batch', '-nx', ...[...lines, ...commands].flatMap((line) => ['-ex', line])])
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      output += bytes
    })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve(output))
  })
}
