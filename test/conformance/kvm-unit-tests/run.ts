/**
 * kvm-unit-tests: small kernels, started through Multiboot, that say PASS and FAIL on COM1 and leave through
 * isa-debug-exit, here with 0 where all passed. `npm run conformance -- kvm-unit-tests FOLDER` runs each *.flat of a
 * folder on the soft engine; --qemu runs them on QEMU's TCG in the same way.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { createMachine } from '../../../machine/create-machine.js'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'

const GUEST_SECONDS = 300
/** Host time for each; --timeout gives another. */
let hostSeconds = 1200
/** Tests that take several times as long on soft: 16,000 million instructions in timing loops. */
const LONGER: { readonly [test: string]: number } = { realmode: 3 }
const MEMORY_MIB = 512
/** 77, as automake has it, halved by isa-debug-exit. */
const SKIPPED = 77 >> 1
/** The test of INIT and resets does a few. */
const MOST_RESETS = 10

/** As the suite's unittests.cfg asks; the others take one CPU. */
const CPUS: { readonly [test: string]: number } = {
  apic: 2,
  init: 2,
  ioapic: 4,
  rmap_chain: 1,
  smptest: 4,
  tsc: 1,
  tsc_adjust: 1,
  vmexit: 2,
  kvmclock_test: 2,
  asyncpf: 1,
  eventinj: 1,
  s3: 1,
}

/** Tests of what is no part of a PC; --only runs one all the same. QEMU runs them all. */
const NOT_A_PC: { readonly [test: string]: string } = {
  asyncpf: 'wants KVM’s asynchronous page faults',
  hypercall: 'wants KVM’s hypercalls',
  hyperv_clock: 'wants Hyper-V’s reference time',
  'intel-iommu': 'wants VT-d',
  kvmclock_test: 'wants KVM’s clock',
  vmexit: 'measures the exits of a hypervisor, through its hypercalls',
}

type Verdict = 'passed' | 'failed' | 'skipped' | 'hung'

interface Outcome {
  verdict: Verdict
  reason: string
  serial: string
}

interface Stop {
  /** The value that the kernel wrote to isa-debug-exit. */
  code?: number
  /** Why it ended otherwise. */
  other?: string
}

export function kvmUnitTests(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      qemu: { type: 'boolean' },
      only: { type: 'string' },
      timeout: { type: 'string' },
      verbose: { type: 'boolean' },
    },
  })
  const folder = positionals[0]
  if (values.timeout !== undefined) hostSeconds = Number(values.timeout)
  if (folder === undefined || !existsSync(folder))
    throw new Error('kvm-unit-tests needs the folder with the built *.flat files, e.g. kvm-unit-tests/x86')
  const only = values.only?.split(',')
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.flat') && (!only || only.includes(basename(name, '.flat'))))
    .sort()
  const counts: { [verdict in Verdict]: number } = { passed: 0, failed: 0, skipped: 0, hung: 0 }
  for (const file of files) {
    const name = basename(file, '.flat')
    const started = performance.now()
    const cpus = CPUS[name] ?? 1
    const path = join(folder, file)
    let serial = ''
    const collect = (text: string) => {
      serial += text
    }
    const inapplicable = values.qemu || only ? undefined : NOT_A_PC[name]
    const { verdict, reason }: Pick<Outcome, 'verdict' | 'reason'> = inapplicable
      ? { verdict: 'skipped', reason: inapplicable }
      : judge(
          attempt(() => (values.qemu ? runQemu : runSoft)(path, cpus, collect)),
          serial,
        )
    counts[verdict]++
    console.log(
      `${verdict.padEnd(8)} ${name.padEnd(20)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${reason}`,
    )
    if (values.verbose) console.log(serial)
  }
  console.log(
    `\n${files.length} tests: ${Object.entries(counts)
      .map(([verdict, n]) => `${n} ${verdict}`)
      .join(', ')}`,
  )
  return counts.failed + counts.hung
}

function judge({ code, other }: Stop, serial: string): Pick<Outcome, 'verdict' | 'reason'> {
  const failures = serial.split('\n').filter((line) => /^FAIL\b|: FAIL|unexpected|[Uu]nhandled/.test(line))
  const first = failures.length > 0 ? `${failures.length} × FAIL, first: ${failures[0].trim()}` : ''
  if (other !== undefined)
    return { verdict: /time/.test(other) ? 'hung' : 'failed', reason: [other, first].filter(Boolean).join('; ') }
  if (code === 0) return { verdict: 'passed', reason: '' }
  const last = serial.trim().split('\n').at(-1) ?? ''
  if (code === SKIPPED || /^SKIP|not (supported|available|detected)|[Nn]o .* detected/.test(last))
    return { verdict: 'skipped', reason: last.trim() }
  return { verdict: 'failed', reason: first || `code ${code}; last line: ${last.trim()}` }
}

/** A kernel that cannot even be loaded has failed. */
function attempt(run: () => Stop): Stop {
  try {
    return run()
  } catch (error) {
    return { other: (error as Error).message }
  }
}

function runSoft(path: string, cpus: number, onSerial: (text: string) => void): Stop {
  const { bios, vgaBios } = findFirmware()
  const pc = createMachine({
    engine: 'soft',
    cpus,
    memory: MEMORY_MIB << 20,
    floppies: [],
    disks: [],
    devices: [{ type: 'pc-testdev' }],
    kernel: { image: readFileSync(path), name: path },
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
    onSerial: (port, byte) => {
      if (port === 0) onSerial(String.fromCharCode(byte))
    },
  })
  let resets = 0
  const seconds = hostSeconds * (LONGER[basename(path, '.flat')] ?? 1)
  const deadline = performance.now() + seconds * 1000
  try {
    while (pc.now() < GUEST_SECONDS * 1e9) {
      const exit = pc.run(pc.now() + 100e6)
      if (exit?.reason === 'debug-exit') return { code: exit.code }
      if (exit?.reason === 'reset' && ++resets < MOST_RESETS) continue
      if (exit) return { other: `${exit.reason} ${exit.detail?.split('\n')[0] ?? ''}`.trim() }
      if (performance.now() > deadline) return { other: `time-out after ${seconds} s` }
    }
    return { other: `time-out after ${GUEST_SECONDS} s of guest time` }
  } finally {
    pc.close()
  }
}

function runQemu(path: string, cpus: number, onSerial: (text: string) => void): Stop {
  const machine = ['-nodefaults', '-accel', 'tcg', '-cpu', 'max', '-smp', String(cpus), '-m', String(MEMORY_MIB)]
  const devices = [
    '-device',
    'pc-testdev',
    '-device',
    'isa-debug-exit,iobase=0xf4,iosize=0x4',
    '-vnc',
    'none',
    '-serial',
    'stdio',
  ]
  const { status, stdout, error } = spawnSync('qemu-system-x86_64', [...machine, ...devices, '-kernel', path], {
    timeout: hostSeconds * 1000,
    encoding: 'latin1',
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 28,
  })
  onSerial(stdout)
  if (error && (error as NodeJS.ErrnoException).code === 'ETIMEDOUT')
    return { other: `time-out after ${hostSeconds} s` }
  if (error) throw error
  return status !== null && status & 1 ? { code: status >> 1 } : { other: `QEMU ended with ${status}` }
}
