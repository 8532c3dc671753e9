/**
 * Files of all formats that are read, changed at random: media, kernels, needles, and what reports are made of. Each is
 * used or refused in a sentence.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { buildDisk } from '../../fixtures/disk.js'
import { buildFloppy } from '../../fixtures/floppy.js'
import { buildIso } from '../../fixtures/iso.js'
import { probeImage } from '../../harness/guest/probe-image.js'
import { loadNeedle } from '../../harness/needles/needle.js'
import { readSymbols } from '../../machine/debug/symbols/read-symbols.js'
import { Symbols } from '../../machine/debug/symbols/symbols.js'
import { planKernel } from '../../machine/firmware/kernel-protocol.js'
import { isLinuxKernel, planLinuxBoot } from '../../machine/firmware/linux-boot.js'
import { type MediumKind, openMedium } from '../../machine/media/open-medium.js'
import { newQcow2 } from '../../machine/media/qcow2/create.js'
import { renderJunit } from '../../reports/junit.js'
import { renderMatrixHtml } from '../../reports/matrix/matrix-html.js'
import { renderMatrixMarkdown } from '../../reports/matrix/matrix-markdown.js'
import { parseMatrix } from '../../reports/matrix/matrix-result.js'
import { renderRunHtml } from '../../reports/run-html.js'
import { renderRunMarkdown } from '../../reports/run-markdown.js'
import { parseRun } from '../../reports/run-result.js'
import { renderTap } from '../../reports/tap.js'
import { parseTrace } from '../../reports/trace.js'
import { renderTraceHtml } from '../../reports/trace-html.js'
import { asBytes, lineTable, madeElf, madePe } from '../machine/debug/symbols/made-elf.js'
import { makeElf, makeKernel } from '../machine/firmware/kernels.js'
import type { Random } from '../random.js'
import { sampleRun } from '../reports/run-sample.js'
import { sampleMatrix } from '../reports/sample.js'
import { answered } from './answers.js'
import { type Fuzzer, FuzzFailure } from './fuzzer.js'
import { mutated, mutatedBytes } from './mutate.js'

const LOW_MEMORY = 64 << 20

interface Format {
  name: string
  /** A good file. */
  sample: Uint8Array | object
  use(file: string, contents: Buffer): unknown
}

const TRACE = {
  format: 'bootwright-trace',
  version: 1,
  title: 'a trace',
  engine: 'soft',
  startedAt: '2026-11-22T16:30:00.000Z',
  durationMs: 5,
  outcome: 'passed',
  events: [
    { kind: 'input', guestTimeNs: 1, hostMs: 1, title: 'key Enter' },
    { kind: 'serial', guestTimeNs: 2, hostMs: 1, port: 0, text: 'login:' },
    { kind: 'screen', guestTimeNs: 3, hostMs: 1, screen: 'a', text: 'C:>' },
    {
      ...{ kind: 'condition', guestTimeNs: 3, hostMs: 1, title: 'text', outcome: 'met' },
      ...{ untilGuestTimeNs: 5, untilHostMs: 2 },
    },
  ],
  screens: {},
}
const NEEDLE = {
  area: [
    { type: 'match', xpos: 2, ypos: 3, width: 10, height: 8, match: 90, click_point: 'center', margin: 20 },
    { type: 'exclude', xpos: 4, ypos: 4, width: 2, height: 2 },
    { type: 'ocr', xpos: 0, ypos: 0, width: 20, height: 10, refstr: 'x' },
  ],
  tags: ['one', 'two'],
  properties: [{ name: 'workaround', value: 'bsc#1' }],
}

const VMDK = '# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\nRW 8 FLAT "case.floppy" 0\nRW 8 ZERO\n'

function useMedium(as: MediumKind) {
  return (file: string) => {
    probeImage(file)
    // In place, so that its tables are changed, too.
    const { device } = openMedium(file, { as, write: file.endsWith('.qcow2') })
    try {
      const bytes = new Uint8Array(Math.min(4096, device.size))
      device.read(0, bytes)
      device.read(device.size - bytes.length, bytes)
      if (as !== 'cdrom') device.write(device.size - bytes.length, bytes)
    } finally {
      device.close()
    }
  }
}

function useKernel(image: Uint8Array): void {
  if (isLinuxKernel(image))
    planLinuxBoot({ kernel: image, initrd: Buffer.alloc(5000), append: 'x', lowMemory: LOW_MEMORY })
  else planKernel({ image, append: 'x', modules: [], lowMemory: LOW_MEMORY })
}

const SYMBOLS = [
  { name: 'main', address: 0x100100, size: 0x40 },
  { name: 'stub', address: 0x100300 },
]
const LINES = { name: '.debug_line', type: 1, data: lineTable(0x100100, [10, 12, 11], 8) }

function useSymbols(image: Uint8Array): void {
  const symbols = new Symbols([{ file: readSymbols(asBytes(image, '"fuzzed"')) }])
  for (const address of [0n, 0x100108n, 0x100310n, 0xffffffff81000010n]) {
    symbols.find(address)
    symbols.lineAt(address)
  }
  for (const name of symbols.names()) symbols.addressOf(name)
}

function useReport(contents: Buffer): void {
  let data: unknown
  try {
    data = JSON.parse(contents.toString())
  } catch {
    return
  }
  const used: ((data: unknown) => unknown)[] = [
    (data) => {
      const run = parseRun(data)
      return [renderRunHtml(run), renderRunMarkdown(run), renderJunit(run), renderTap(run)]
    },
    (data) => {
      const matrix = parseMatrix(data)
      return [renderMatrixHtml(matrix), renderMatrixMarkdown(matrix)]
    },
    (data) => renderTraceHtml(parseTrace(data)),
  ]
  for (const use of used) {
    try {
      for (const text of [use(data)].flat())
        if (/<script[^>]*>alert/.test(String(text))) throw new FuzzFailure('a script', '')
    } catch (error) {
      if ((error as Error).name !== 'ResultFormatError') throw error
    }
  }
}

let ready: Promise<{ folder: string; formats: Format[] }> | undefined

async function getReady() {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-fuzz-'))
  const png = await sharp({ create: { width: 32, height: 24, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  writeFileSync(join(folder, 'case.png'), png)
  const files = [{ path: 'A.TXT', data: Buffer.from('text') }]
  const use = (_: string, contents: Buffer) => useKernel(contents)
  const report = (_: string, contents: Buffer) => useReport(contents)
  const formats: Format[] = [
    { name: 'floppy', sample: buildFloppy(), use: useMedium('floppy') },
    {
      name: 'disk',
      sample: buildDisk({ partitions: [{ megabytes: 2, files, active: true }] }),
      use: useMedium('disk'),
    },
    { name: 'qcow2', sample: newQcow2({ size: 2 ** 20, clusterBits: 12 }), use: useMedium('disk') },
    { name: 'vmdk', sample: Buffer.from(VMDK), use: useMedium('disk') },
    { name: 'iso', sample: buildIso(), use: useMedium('cdrom') },
    { name: 'linux', sample: makeKernel(), use },
    { name: 'elf', sample: makeElf([{ address: 0x100000, data: new Uint8Array(600) }] as never, 0x100000, 3), use },
    { name: 'symbols-elf', sample: madeElf(SYMBOLS, [LINES]), use: (_, contents) => useSymbols(contents) },
    { name: 'symbols-pe', sample: madePe(['EfiMain', 'Halt']), use: (_, contents) => useSymbols(contents) },
    {
      name: 'symbols-map',
      sample: Buffer.from('ffffffff81000000 T _text\nffffffff81000010 t early\nffffffff81002000 T late\t[mod]\n'),
      use: (_, contents) => useSymbols(contents),
    },
    { name: 'needle', sample: NEEDLE, use: loadNeedle },
    {
      name: 'needle-picture',
      sample: png,
      async use(file, contents) {
        writeFileSync(join(folder, 'picture.png'), contents)
        writeFileSync(join(folder, 'picture.json'), JSON.stringify(NEEDLE))
        await loadNeedle(join(folder, 'picture.json'))
        void file
      },
    },
    { name: 'run', sample: sampleRun(), use: report },
    { name: 'matrix', sample: sampleMatrix(), use: report },
    { name: 'trace', sample: TRACE, use: report },
  ]
  return { folder, formats }
}

/** Heads of media say most of what they are. */
function changedBytes(sample: Uint8Array, random: Random): Buffer {
  if (sample.length < 4096 || random.chance(4)) return mutatedBytes(sample, random)
  const at = random.pick([0, 0, 512, 32768]) % sample.length
  const head = mutatedBytes(sample.subarray(at, at + 2048), random)
  return Buffer.concat([sample.subarray(0, at), head, sample.subarray(at + 2048)])
}

const fuzzer: Fuzzer = {
  name: 'files',
  title: 'media, kernels, needles and reports that were changed are used or refused in a sentence',
  dose: 600,
  async run(random) {
    ready ??= getReady()
    const { folder, formats } = await ready
    const { name, sample, use } = random.pick(formats)
    const isText = !(sample instanceof Uint8Array)
    const whole = isText ? Buffer.from(JSON.stringify(mutated(sample, random)) ?? '') : changedBytes(sample, random)
    const contents = isText && random.chance(5) ? mutatedBytes(whole, random) : whole
    const file = join(folder, name === 'needle' ? 'case.json' : `case.${name}`)
    writeFileSync(file, contents)
    await answered(
      () => use(file, contents),
      () => `${name}: ${isText ? contents.toString().slice(0, 4000) : contents.toString('base64').slice(0, 4000)}`,
    )
  },
  async close() {
    if (ready) rmSync((await ready).folder, { recursive: true })
    ready = undefined
  },
}

export default fuzzer
