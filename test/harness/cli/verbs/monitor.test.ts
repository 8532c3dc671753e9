/** `run --monitor`, `run --qmp` and `bootwright monitor`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { noFirmware } from '../../../firmware-here.js'
import { programFloppy } from '../../boot-programs.js'
import { bootwright } from '../command.js'
import { inProcess } from '../in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-monitor-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))
const other = join(folder, 'other.img')
writeFileSync(other, programFloppy('echo'))
const socket = join(folder, 'monitor.sock')
const json = join(folder, 'qmp.sock')
const serial = join(folder, 'serial.txt')

/** Sends lines, each when the one before was answered, and gives the answers. */
function talk(path: string, lines: readonly string[], ends: RegExp): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const answers: string[] = []
    let heard = ''
    let next = 0
    const client = connect(path)
    client.setEncoding('utf8')
    client.on('error', reject)
    client.on('data', (text) => {
      heard += text
      if (!ends.test(heard)) return
      answers.push(heard.replace(ends, ''))
      heard = ''
      if (next < lines.length) client.write(`${lines[next++]}\n`)
      else client.end()
    })
    client.on('close', () => resolve(answers.slice(1)))
  })
}

/** Sends all lines and no more, as `echo … | socat - UNIX:…` does. */
function tell(path: string, lines: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = ''
    const client = connect({ path, allowHalfOpen: true })
    client.setEncoding('utf8')
    client.on('error', reject)
    client.on('data', (text) => {
      heard += text
    })
    client.on('end', () => resolve(heard))
    client.end(lines)
  })
}

const PROMPT = /\(qemu\) $/
const LINE = /\r\n$/

async function untilEcho(text: string): Promise<void> {
  while (!readFileSync(serial, 'utf8').includes(text)) await new Promise((resolve) => setTimeout(resolve, 20))
}

test.skipIf(noFirmware !== undefined)(
  'a running machine is looked at, typed to, stopped, kept, and ended, by lines and by JSON',
  async () => {
    let used: Promise<void> | undefined
    const use = async () => {
      await untilEcho('>')
      const [empty, status, pic, registers, ports, keys, wrong] = await talk(
        socket,
        ['', 'info status', 'info pic', 'info registers', 'i/b 0x60', 'sendkey a', 'info blcok'],
        PROMPT,
      )
      expect(empty).toBe('')
      expect(status).toBe('VM status: running\n')
      expect(pic).toMatch(/ioapic: irr=.*\n {2}pin 0 [\s\S]*pic0: irr=\w\w imr=b8 isr=\w\w hprio=0 irq_base=08/)
      expect(registers).toMatch(/^\nCPU#0\nEAX=\w{8} EBX=\w{8} ECX=\w{8} EDX=\w{8}\n/)
      expect(ports).toMatch(/^portb\[0x0060\] = 0x\w\w\n$/)
      expect(keys).toBe('')
      expect(wrong).toBe("there is no monitor command 'info blcok'; did you mean 'info block'? 'help' lists them\n")
      await untilEcho('>a')
      const shot = join(folder, 'screen.ppm')
      const answers = await talk(
        socket,
        [
          'stop',
          'info status',
          'savevm before',
          'info snapshots',
          'cont',
          `screendump ${shot}`,
          'x/2xb 0x7dfe',
          'p/d 6*7',
        ],
        PROMPT,
      )
      expect(answers.slice(0, 2)).toEqual(['', 'VM status: paused\n'])
      expect(answers[3]).toMatch(/^before +\d+\.\d+ s, \d+ instructions\n$/)
      expect(answers.slice(4)).toEqual(['', '', '0000000000007dfe: 0x55 0xaa\n', '42\n'])
      expect(readFileSync(shot).subarray(0, 15).toString()).toBe('P6\n720 400\n255\n')
      const asked = await bootwright(['monitor', `unix:${socket}`, 'x/2xb', '0x7dfe'])
      expect(asked).toMatchObject({ code: 0, stdout: '0000000000007dfe: 0x55 0xaa\n' })
      expect(await tell(socket, 'info status\np/d 6*7\n')).toMatch(
        /\n\(qemu\) VM status: running\n\(qemu\) 42\n\(qemu\) $/,
      )
      const tree = await talk(socket, ['info mtree', 'info pci', 'info qtree i8042', 'info irq', 'info block'], PROMPT)
      expect(tree[0]).toMatch(/address-space: memory\n[\s\S]*address-space: I\/O\n[\s\S]*\(i\/o\): 8259 master/)
      expect(tree[1]).toMatch(/Bus {2}0, device {3}0, function 0:\n {4}Host bridge: PCI device 8086:1237\n/)
      expect(tree[2]).toMatch(/^dev: i8042, id "i8042"\n {2}\w+/)
      expect(tree[4]).toMatch(/^floppy0: \/\S+ \(737280 bytes\)\n {4}Removable device\n/)
      const media = await talk(
        socket,
        [
          'info network',
          'set_link net0 off',
          'info network',
          'set_link nic7 on',
          'set_link net0 maybe',
          `change a ${other}`,
          'info block',
          'eject floppy0',
          'eject floppy0',
          'info block',
          'eject disk0',
          'eject cdrmo',
          'change floppy0 /nowhere/x.img',
          `change cdrom ${other}`,
        ],
        PROMPT,
      )
      expect(media.slice(0, 3)).toEqual([
        expect.stringMatching(/^net0: type=nic,model=e1000,macaddr=52:54:00:[\da-f:]{8}\n \\ lan\n$/),
        '',
        expect.stringContaining(',link=off\n'),
      ])
      expect(media.slice(3, 6)).toEqual([
        "Error: there is no network card 'nic7'; there are net0\n",
        'set_link wants a card and on or off, as in set_link net0 off\n',
        '',
      ])
      expect(media[6]).toContain(`floppy0: ${other} (737280 bytes)\n`)
      expect(media[6]).toMatch(/^disk0: an empty disk \(1048576 bytes\)$/m)
      expect(media[6]).toContain('cdrom: [not inserted]\n    Removable device: not locked, tray closed\n')
      expect(media.slice(7, 9)).toEqual(['', ''])
      expect(media[9]).toContain('floppy0: [not inserted]\n')
      expect(media.slice(10)).toEqual([
        "Error: Device 'disk0' is not removable\n",
        "Error: Device 'cdrmo' not found; did you mean 'cdrom'?\n",
        expect.stringMatching(/^Error: floppy "\/nowhere\/x.img"/),
        expect.stringMatching(/^Error: cdrom ".*" is neither ISO 9660 nor UDF/),
      ])
      const ask = (execute: string, more = {}) => JSON.stringify({ execute, ...more })
      const replies = await talk(
        json,
        [
          ask('qmp_capabilities'),
          ask('query-status', { id: 7 }),
          ask('human-monitor-command', { arguments: { 'command-line': 'p/x 255' } }),
          ask('nonsense'),
          'no json',
          ask('quit'),
        ],
        LINE,
      )
      expect(replies.map((one) => JSON.parse(one))).toEqual([
        { return: {} },
        { return: { running: true, singlestep: false, status: 'running' }, id: 7 },
        { return: '0xff\r\n' },
        { error: { class: 'CommandNotFound', desc: 'The command nonsense has not been found' } },
        { error: { class: 'GenericError', desc: 'this is no JSON' } },
        { return: {} },
      ])
    }
    const ended = await bootwright(
      [
        'run',
        '--floppy',
        floppy,
        '--drive',
        'size=1M',
        '--nic',
        'e1000',
        '--monitor',
        `unix:${socket}`,
        '-qmp',
        `unix:${json},server,nowait`,
        '--serial',
        serial,
      ],
      {
        onOutput: (text, signal) => {
          if (!text.includes('QMP: unix:')) return
          used ??= use().catch((error) => {
            signal('SIGKILL')
            throw error
          })
        },
      },
    )
    await used
    expect(ended).toMatchObject({ code: 0 })
    expect(ended.stderr).toContain("ended by the monitor's quit")
  },
  120_000,
)

test.each([
  [
    ['run', '--floppy', floppy, '--monitor', 'x'],
    "--monitor 'x' is no place for a monitor; give unix:PATH, :PORT or stdio",
  ],
  [['run', '--floppy', floppy, '--monitor', 'stdio', '--serial', 'stdio'], '--serial stdio both want standard output'],
  [['run', '--floppy', floppy, '--monitor', 'stdio', '--qmp', 'stdio'], '--monitor and --qmp are both stdio'],
  [
    ['run', '--floppy', floppy, '--monitor', 'unix:/nowhere/m'],
    "--monitor: there can be no socket at '/nowhere/m' (there is no folder '/nowhere'); name another path",
  ],
  [['monitor', `unix:${join(folder, 'none')}`, 'help'], 'nobody answers at unix:'],
])('%j is refused in a sentence', async (args, sentence) => {
  const ended = await inProcess(args)
  expect(ended.stderr).toContain(sentence)
  expect(ended.code).toBeGreaterThan(0)
})
