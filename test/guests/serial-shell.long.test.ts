/** `serial.shell` at the shell of Debian's installer, on a terminal of its own so that Control+C means something there. */
import debian from '../../guests/debian-12-i386-installer/guest.js'
import { describe, expect, stage, test } from '../../harness/vitest/index.js'
import type { Vm } from '../../harness/vm/vm.js'
import { withoutMedia } from './media-here.js'

const atConsole = stage(
  'serial-shell',
  {
    guest: debian,
    engine: 'soft',
    memory: 256,
    append: 'vga=normal fb=false nomodeset rdinit=/bin/sh console=ttyS0,115200',
    hostTimeout: '40m',
  },
  async (vm) => {
    await vm.serial.waitFor(/^~ # $|^\/ # $/, { timeout: '20m' })
  },
)

const terminal = stage('terminal', { from: atConsole, hostTimeout: '40m' }, async (vm) => {
  const first = await vm.serial.shell()
  await first.run('mount -t proc proc /proc; mount -t devtmpfs none /dev')
  await first.run("echo '::respawn:-/bin/sh' > /etc/inittab")
  await vm.serial.write('exec busybox init\r')
  await vm.serial.waitFor(/built-in shell[\s\S]*^~ # $/)
})

const open = (vm: Vm) => vm.serial.shell({ timeout: '1m' })

describe.skipIf(await withoutMedia(debian))('a shell on Linux’s serial console', () => {
  const fromTerminal = test.from(terminal)

  fromTerminal('gives exit codes and output', async ({ vm }) => {
    const shell = await open(vm)
    expect(await shell.run('uname -s')).toEqual({ exitCode: 0, stdout: 'Linux\n' })
    expect(await shell.run('false')).toEqual({ exitCode: 1, stdout: '' })
    expect(await shell.run('(exit 42)')).toEqual({ exitCode: 42, stdout: '' })
    expect(await shell.run('printf "no line feed"')).toEqual({ exitCode: 0, stdout: 'no line feed' })
    expect(await shell.run('cd /etc; export WHERE=here # kept')).toEqual({ exitCode: 0, stdout: '' })
    expect(await shell.run('echo $WHERE in $PWD, "it\'s"')).toEqual({ exitCode: 0, stdout: "here in /etc, it's\n" })
  })

  fromTerminal('gives standard error, too, and says what failed', async ({ vm }) => {
    const shell = await open(vm)
    expect(await shell.run('echo out; echo err >&2')).toEqual({ exitCode: 0, stdout: 'out\nerr\n' })
    expect(await shell.run('ls /nonesuch')).toEqual({
      exitCode: 1,
      stdout: 'ls: /nonesuch: No such file or directory\n',
    })
    expect(await shell.run('nonesuch')).toMatchObject({ exitCode: 127, stdout: expect.stringContaining('not found') })
  })

  fromTerminal('takes commands of several lines, long ones, and ones that are none', async ({ vm }) => {
    const shell = await open(vm)
    expect(await shell.run('cat <<X\nhello\n  there\nX')).toEqual({ exitCode: 0, stdout: 'hello\n  there\n' })
    const long = 'it’s long, '.repeat(300)
    expect(await shell.run(`echo "${long}"`)).toEqual({ exitCode: 0, stdout: `${long}\n` })
    expect(await shell.run('echo "unterminated')).toMatchObject({
      exitCode: 2,
      stdout: expect.stringMatching(/^.*syntax error: unterminated quoted string\n$/),
    })
    expect(await shell.run('cd /tmp; if')).toMatchObject({
      exitCode: 2,
      stdout: expect.stringContaining('syntax error'),
    })
    expect(await shell.run('echo again')).toEqual({ exitCode: 0, stdout: 'again\n' })
    expect(await shell.run('true &')).toMatchObject({ exitCode: 0 })
  })

  fromTerminal('gives all of a long output', async ({ vm }) => {
    const shell = await open(vm)
    const { exitCode, stdout } = await shell.run('seq 1 20000')
    expect(exitCode).toBe(0)
    expect(stdout).toBe(Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join(''))
  })

  fromTerminal('interrupts a command that was not through at its time-out before the next', async ({ vm }) => {
    const shell = await open(vm)
    await expect(shell.run('sleep 1000', { timeout: '2s' })).rejects.toThrow(
      /waited 2 s of guest time[\s\S]*sleep 1000/,
    )
    expect(await shell.run('echo next')).toEqual({ exitCode: 0, stdout: 'next\n' })
    // One that would take what is typed for its own.
    await expect(shell.run('cat', { timeout: '2s' })).rejects.toThrow(/waited 2 s/)
    expect(await shell.run('echo one more')).toEqual({ exitCode: 0, stdout: 'one more\n' })
    expect((await vm.look()).guestTimeNs).toBeLessThan(900e9)
  })
})
