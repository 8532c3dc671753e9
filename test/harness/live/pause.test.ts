/** Failures that are paused: where the moment can be seen and debugged, how it goes on, and where it is not held at all. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { PAUSE_SOCKET_VARIABLE, pause, personOfCommand, personOfTest } from '../../../harness/live/pause.js'
import { launch } from '../../../harness/vm/launch.js'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'
import { inProcess } from '../cli/in-process.js'
import { Project } from '../cli/project.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-pause-'))
afterAll(() => rmSync(folder, { recursive: true }))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))

/** What gdb's server answers to packets, each of which it acknowledges. */
async function asked(port: number, packets: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let said = ''
  try {
    for (const packet of packets) {
      const before = said.length
      const sum = [...packet].reduce((total, one) => total + one.charCodeAt(0), 0) & 255
      socket.write(`$${packet}#${sum.toString(16).padStart(2, '0')}`)
      for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
        said += bytes
        if (/\$[^#]*#\w\w/.test(said.slice(before))) break
      }
      socket.write('+')
    }
  } finally {
    socket.destroy()
  }
  return said
}

describe.skipIf(noFirmware)('a failure that is paused', () => {
  test('stands still on a fork, with a page and gdb, until it is let go on', async () => {
    const vm = await launch({ memory: '16M', floppy, engine: 'soft' })
    await vm.serial[0].waitFor('>')
    const { instructions } = await vm.look()
    const told: string[] = []
    const person = {
      async letGo() {
        const text = told.join('\n')
        expect(text).toContain("the test 'x' failed and is paused: a fork of its machine stands still as it was then")
        const page = await fetch(/live view: (\S+)/.exec(text)?.[1] ?? '')
        expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Monitor')])
        const port = Number(/target remote 127\.0\.0\.1:(\d+)/.exec(text)?.[1])
        const count = Buffer.from('when').toString('hex')
        const said = await asked(port, ['?', `qRcmd,${count}`])
        expect(said).toMatch(/\$T02thread:1/)
        // `O` and hexadecimal text.
        const when = [...said.matchAll(/\$O?([\da-f]{8,})#/g)]
          .map(([, hex]) => Buffer.from(hex, 'hex').toString())
          .join('')
        expect(when).toContain(` ${instructions} instructions`)
      },
    }
    await pause(vm.driver.thread, "the test 'x'", person, (text) => told.push(text))
    // The machine itself has not noticed.
    expect((await vm.look()).instructions).toBe(instructions)
    await vm.keyboard.type('a')
    await vm.close()
  })

  test('is what vm.gdb() gives at any moment, until it or the machine is closed', async () => {
    const vm = await launch({ memory: '16M', floppy, engine: 'soft' })
    await vm.serial[0].waitFor('>')
    const { instructions } = await vm.look()
    const [one, other] = [await vm.gdb(), await vm.gdb()]
    const portOf = ({ address }: { address: string }) => Number(/^127\.0\.0\.1:(\d+)$/.exec(address)?.[1])
    expect(await asked(portOf(one), ['?'])).toMatch(/\$T02thread:1/)
    expect((await fetch(one.url)).status).toBe(200)
    await expect(vm.gdb({ port: portOf(other) })).rejects.toThrow(/is in use/)
    await one.close()
    await expect(asked(portOf(one), ['?'])).rejects.toThrow(/ECONNREFUSED/)
    // The test's own machine goes on.
    await vm.keyboard.type('a')
    expect((await vm.look()).instructions).toBeGreaterThan(instructions)
    await vm.close()
    await expect(asked(portOf(other), ['?'])).rejects.toThrow(/ECONNREFUSED/)
  })

  test('of `run` without a terminal says so and ends', async () => {
    const args = ['run', '--floppy', floppy, '--until-serial', 'never', '--guest-timeout', '1s', '--pause-on-failure']
    const { code, stderr } = await inProcess(args)
    expect(code).toBe(124)
    expect(stderr).toMatch(/^the run failed and is not paused: (there is no terminal|the environment says CI)[^\n]*$/m)
  })
})

/** util-linux gives a command a terminal of its own. */
const haveScript = spawnSync('script', ['--version']).stdout?.includes('util-linux') === true

test.skipIf(noFirmware || !haveScript)(
  '`run` before a terminal holds a failure until Enter is pressed there',
  async () => {
    const command = join(import.meta.dirname, '../../../bin/bootwright.js')
    const words = `"${process.execPath}" "${command}" run --floppy "${floppy}" --engine soft --until-serial never --guest-timeout 1s --pause-on-failure`
    const { CI: _, ...own } = process.env
    const env = { ...own, BOOTWRIGHT_NO_BUILD: '1' }
    const child = spawn('script', ['-qfec', words, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (bytes) => {
      said += bytes
    })
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    try {
      await vi.waitFor(() => expect(said).toMatch(/Enter here, or 'quit' in the monitor, goes on/), { timeout: 30_000 })
      const port = Number(/target remote 127\.0\.0\.1:(\d+)/.exec(said)?.[1])
      expect(await asked(port, ['?'])).toMatch(/\$T02thread:1/)
      expect(child.exitCode).toBeNull()
      child.stdin.write('\n')
      expect(await ended, said).toBe(124)
      expect(said).toMatch(/the run failed and is paused: a fork of its machine stands still/)
    } finally {
      child.kill()
    }
  },
)

test.skipIf(noFirmware)('`test --pause-on-failure` holds stages and tests that fail, and says why', async () => {
  const project = new Project()
  const socket = join(folder, 'person')
  let pauses = 0
  // Whoever sits before the terminal presses Enter at once.
  const person = createServer((one) => one.on('error', () => {}).end(`go on ${++pauses}\n`))
  await new Promise<void>((resolve) => person.listen(socket, resolve))
  try {
    const machine = `{ floppy: ${JSON.stringify(floppy)}, engine: 'soft', memory: 16 }`
    project.write(
      'some',
      `const begun = stage('begun', ${machine}, (vm) => vm.serial.waitFor('>'))
      const broken = stage('broken', ${machine}, (vm) => vm.serial.waitFor('never', { timeout: '100ms' }))
      test.from(broken)('one of a stage', () => {})
      test.from(broken)('another of a stage', () => {})
      test.from(begun)('passes', async ({ vm }) => vm.keyboard.type('a'))
      test.from(begun)('compares', async ({ vm }) => expect((await vm.look()).instructions).toBe(5))
      test.from(begun)('forgets', ({ vm }) => void expect(vm.serial).toHaveText('never'))`,
    )
    const { stdout } = await project.run(['--pause-on-failure'], { env: { [PAUSE_SOCKET_VARIABLE]: socket } })
    const held = stdout.matchAll(/^(.*) failed and is paused: .*\n {2}why: +(.*)\n {2}live view: http/gm)
    expect([...held].map(([, what, why]) => `${what}: ${why}`)).toEqual([
      "the stage 'broken': waited 0.1 s of guest time for /never/ on COM1",
      expect.stringMatching(/^the test 'compares': expected \d+ to be 5/),
      expect.stringMatching(/^the test 'forgets': toHaveText\(\) was not awaited/),
    ])
    expect(pauses).toBe(3)
  } finally {
    person.close()
    project.remove()
  }
})

test('nobody can let it go on in CI, or without a terminal', () => {
  expect(personOfTest({ CI: 'true' })).toMatch(/^the environment says CI/)
  expect(personOfTest({ CI: '1', BOOTWRIGHT_PAUSE_SOCKET: '/nowhere' })).toMatch(/^the environment says CI/)
  expect(personOfTest({ CI: 'false', BOOTWRIGHT_PAUSE_SOCKET: '/nowhere' })).toMatchObject({})
  expect(personOfCommand({}, { isTTY: false } as NodeJS.ReadStream)).toMatch(/^there is no terminal/)
})
