import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { file } from '../../../harness/guest/guest-media.js'
import { areaHash } from '../../../harness/picture/screen-areas.js'
import { stageFile } from '../../../harness/stages/stage-store.js'
import { afterAll, defineGuest, describe, expect, stage, test, vi } from '../../../harness/vitest/index.js'
import { serial } from '../../../harness/vm/conditions.js'
import type { Vm } from '../../../harness/vm/vm.js'
import { programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-stage-'))
process.env.BOOTWRIGHT_CACHE = join(folder, 'cache')
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))

let built = 0

const machine = { floppy, engine: 'soft', memory: 16 } as const
const boot = async (vm: Vm) => {
  built++
  await vm.serial.waitFor('>')
}
const booted = stage('booted', machine, boot)

const typed = stage('typed', { from: booted }, async (vm) => {
  await vm.keyboard.type('hello')
  await vm.serial.waitFor('hello')
})

const pictures = new Set<string>()
const instructions = new Set<number>()

describe('twenty tests from one stage', () => {
  const fromBooted = test.from(booted)

  for (let i = 0; i < 20; i++) {
    const letter = String.fromCharCode(97 + i)
    fromBooted(`number ${i + 1} sees nothing of the others`, async ({ vm }) => {
      const { instructions: count, mode } = await vm.look()
      const frame = await vm.screen.frame()
      pictures.add(areaHash(frame, { x: 0, y: 0, width: mode.width, height: mode.height }))
      instructions.add(count)
      expect(vm.serial.text()).toBe('>')
      await vm.keyboard.type(letter)
      await vm.serial.waitFor(letter)
      await vm.wait('100ms')
      expect(vm.serial.text()).toBe(`>${letter}`)
    })
  }

  afterAll(() => {
    expect([built, pictures.size, instructions.size]).toEqual([1, 1, 1])
  })
})

test.from(typed)('a stage goes on from another, with what it sent', async ({ vm }) => {
  expect(vm.serial.text()).toBe('>hello')
  await expect(vm.serial).toHaveText(/^>hello$/)
  await vm.keyboard.type('!')
  await expect(vm.serial).toHaveText('hello!')
})

test.from(booted)('a machine goes back to a snapshot, and forks from where it is', async ({ vm }) => {
  const before = await vm.snapshot()
  await vm.keyboard.type('ab')
  await vm.serial.waitFor('ab')
  const fork = await vm.fork()
  await fork.keyboard.type('c')
  await fork.serial.waitFor('c')
  expect([vm.serial.text(), fork.serial.text()]).toEqual(['>ab', '>abc'])
  await fork.close()
  const { guestTimeNs } = await vm.look()
  await vm.restore(before)
  expect(vm.serial.text()).toBe('>')
  expect((await vm.look()).guestTimeNs).toBe(before.guestTimeNs)
  await vm.keyboard.type('ab')
  await vm.serial.waitFor('ab')
  expect((await vm.look()).guestTimeNs).toBe(guestTimeNs)
  before.release()
})

test.from(stage('booted', machine, boot))('a stage that was built before is not built again', async ({ vm }) => {
  expect(built).toBe(1)
  expect(vm.serial.text()).toBe('>')
  expect((await vm.look()).instructions).toBe([...instructions][0])
  await vm.keyboard.type('x')
  await vm.serial.waitFor('x')
})

test('a kept stage that is damaged is built again, which is said; one that the host cannot read is not', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  try {
    const again = () => stage('spoiled', machine, boot)
    const first = again()
    await first.ready()
    await first.release()
    const kept = stageFile('spoiled', await first.key())
    const before = built
    truncateSync(kept, 5000)
    const second = again()
    await second.ready()
    await second.release()
    expect(built).toBe(before + 1)
    expect(warn.mock.calls.flat()).toEqual([
      expect.stringMatching(/^bootwright: the stage 'spoiled' is built again: .*is damaged/),
    ])
    rmSync(kept)
    mkdirSync(kept)
    await expect(again().ready()).rejects.toThrow('EISDIR')
    expect(built).toBe(before + 1)
  } finally {
    warn.mockRestore()
  }
})

const broken = stage('broken', { floppy, engine: 'soft', memory: 16 }, async (vm) => {
  await expect(vm.screen).toHaveText('never', { timeout: '1s' })
})

test('a stage that cannot be built fails the tests that start from it, with the evidence', async () => {
  await broken.prepare()
  await expect(broken.fork()).rejects.toThrow(
    /the stage 'broken' could not be built: expected the screen to have the text 'never'[\s\S]*last screen/,
  )
})

test('forks of a stage, and of those that go on from it, know what failures and phases its guest has', async () => {
  const guest = defineGuest({
    name: 'echo',
    title: 'Echo',
    family: 'test',
    licence: 'MIT',
    machine: { memory: 16, floppies: [file(floppy, import.meta.url)] },
    failOn: [/oops/],
    phases: { typing: /hello/ },
    levels: [{ name: 'shell', title: 'its prompt', until: serial('>') }],
  })
  const first = stage('of a guest', { guest, engine: 'soft' }, boot)
  const second = stage('behind it', { from: first }, async (vm) => {
    await vm.keyboard.type('h')
  })
  const vm = await second.fork()
  await vm.keyboard.type('oops\n')
  await expect(vm.serial.waitFor('never', { timeout: '1m' })).rejects.toThrow(/oops/)
  expect((await vm.look()).guestTimeNs).toBeLessThan(30e9)
  expect(vm.settings.phases).toMatchObject([{ name: 'typing' }])
  await vm.close()
})
