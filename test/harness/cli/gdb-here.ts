/** The host's gdb, where it has one. */
import { spawn, spawnSync } from 'node:child_process'

export const haveGdb = spawnSync('gdb', ['--version']).status === 0

/** All that it says while it carries out the commands on the machine behind a port. */
export function gdb(port: number, commands: readonly string[]): Promise<string> {
  const lines = [
    'set pagination off',
    'set confirm off',
    'set architecture i386:x86-64',
    `target remote 127.0.0.1:${port}`,
  ]
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
