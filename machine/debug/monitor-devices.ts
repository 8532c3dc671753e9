/** Devices and buses as a monitor shows them, as near to QEMU's lines as this machine has what they tell. */
import type { State } from '../device.js'
import type { MachineParts } from './machine-parts.js'

const MOST_LINES = 2000
/** Entries of a list that are shown. */
const MOST_ENTRIES = 16
const hex = (value: number, digits: number) => (value >>> 0).toString(16).padStart(digits, '0')
const wide = (value: number) => value.toString(16).padStart(16, '0')

const stateOf = ({ devices }: MachineParts, name: string) => devices.find((one) => one.name === name)?.state

/** `pic0: irr=00 imr=ff …`. */
export function picLines(parts: MachineParts): string {
  const pair = stateOf(parts, 'isa-i8259')
  if (!pair) return 'there is no 8259A\n'
  return ['master', 'slave']
    .map((name, i) => {
      const chip = pair[name] as { [field: string]: number | boolean }
      const byte = (field: string) => hex(Number(chip[field]), 2)
      const flags = `rr_sel=${Number(chip.readIsr)} elcr=${byte('elcr')} fnm=${Number(chip.specialFullyNested)}`
      return `pic${i}: irr=${byte('irr')} imr=${byte('imr')} isr=${byte('isr')} hprio=${chip.highest} irq_base=${byte('vectorBase')} ${flags}\n`
    })
    .join('')
}

const DELIVERY = ['fixed', 'lowest', 'SMI', '...', 'NMI', 'INIT', '...', 'ExtINT']

export function ioApicLines(parts: MachineParts): string {
  const state = stateOf(parts, 'ioapic')
  if (!state) return 'there is no I/O APIC\n'
  const [low, high] = [state.low as number[], state.high as number[]]
  const pins = [...low].map((entry, pin) => {
    const mode = `${entry & 0x8000 ? 'level' : 'edge'} ${entry & 0x2000 ? 'active-lo' : 'active-hi'}`
    const line = ((state.lines as number) >>> pin) & 1
    const masked = entry & 0x10000 ? ' masked' : ''
    return `  pin ${String(pin).padEnd(2)} 0x${wide(high[pin] * 2 ** 32 + (entry >>> 0))} dest=${(high[pin] >>> 24).toString(16)} vec=${entry & 0xff} ${mode} ${DELIVERY[(entry >> 8) & 7]}${masked} level=${line}\n`
  })
  return `ioapic: irr=${hex(state.irr as number, 8)} select=${hex(state.select as number, 2)}\n${pins.join('')}`
}

export function apicLines(parts: MachineParts, cpu: number): string {
  const state = stateOf(parts, `apic${cpu}`) ?? (cpu === 0 ? stateOf(parts, 'apic') : undefined)
  if (!state) return 'this CPU has no local APIC\n'
  const field = (name: string) => hex(Number(state[name]), 8)
  const vectors = (name: string) => {
    const set = [...(state[name] as number[])].flatMap((word, i) =>
      Array.from({ length: 32 }, (_, bit) => ((word >>> bit) & 1 ? i * 32 + bit : -1)).filter((one) => one >= 0),
    )
    return set.length === 0 ? '(none)' : set.join(' ')
  }
  const names = ['TIMER', 'THERMAL', 'PERFMON', 'LINT0', 'LINT1', 'ERROR']
  const lvt = [...(state.lvt as number[])].map(
    (word, i) => `LVT${(names[i] ?? String(i)).padEnd(9)} 0x${hex(word, 8)}${word & 0x10000 ? ' masked' : ''}\n`,
  )
  return [
    `dumping local APIC state for CPU ${cpu}\n\n`,
    ...lvt,
    `SPIV        0x${field('svr')} APIC ${Number(state.svr) & 0x100 ? 'enabled' : 'disabled'}, spurious vec ${Number(state.svr) & 0xff}\n`,
    `ICR         0x${field('icrLow')} 0x${field('icrHigh')}\n`,
    `ESR         0x${field('esr')}\n`,
    `ISR         ${vectors('isr')}\nIRR         ${vectors('irr')}\n`,
    `TPR 0x${hex(Number(state.tpr), 2)} LDR 0x${field('ldr')} DFR 0x${field('dfr')} ID ${Number(state.id)}\n`,
  ].join('')
}

export function irqLines({ irqs }: MachineParts): string {
  return irqs
    .map(
      (sources, n) =>
        `irq ${String(n).padStart(2)}: level ${sources.length > 0 ? 1 : 0}${sources.length > 0 ? ` (${sources.join(', ')})` : ''}\n`,
    )
    .join('')
}

const CLASSES: { [code: string]: string } = {
  ...{ '0600': 'Host bridge', '0601': 'ISA bridge', '0101': 'IDE controller', '0680': 'Bridge' },
  ...{ '0300': 'VGA controller', '0200': 'Ethernet controller', '0100': 'SCSI controller', '0106': 'SATA controller' },
}

export function pciLines({ pci }: MachineParts): string {
  return pci
    .map(({ device, function: number, name, config }) => {
      const view = new DataView(config.buffer, config.byteOffset, config.length)
      const code = hex(view.getUint16(10, true), 4)
      const bars = Array.from({ length: 6 }, (_, i) => {
        const value = view.getUint32(0x10 + i * 4, true)
        if (value === 0) return ''
        const isPort = (value & 1) !== 0
        return `      BAR${i}: ${isPort ? 'I/O' : '32 bit memory'} at 0x${hex(isPort ? value & ~3 : value & ~15, isPort ? 4 : 8)}\n`
      })
      const irq = config[0x3d] > 0 ? `      IRQ ${config[0x3c]}, pin ${' ABCD'[config[0x3d]]}\n` : ''
      const what = `${CLASSES[code] ?? `Class ${code}`}: PCI device ${hex(view.getUint16(0, true), 4)}:${hex(view.getUint16(2, true), 4)}`
      return `  Bus  0, device ${String(device).padStart(3)}, function ${number}:\n    ${what}\n${irq}${bars.join('')}      id "${name}"\n`
    })
    .join('')
}

export function networkLines({ nics }: MachineParts): string {
  const lines = nics.map(
    ({ id, type, mac, net, up }) =>
      `${id}: type=nic,model=${type},macaddr=${mac}${up ? '' : ',link=off'}\n \\ ${net}\n`,
  )
  return lines.join('') || 'there is no network card\n'
}

/** Memory and ports, the topmost first. */
export function treeLines({ memory, ports }: MachineParts): string {
  const range = (from: number, size: number) => `${wide(from)}-${wide(from + size - 1)}`
  const regions = memory.map(({ name, kind, base, size, reads, writes }) => {
    const how = reads && writes ? kind : reads ? `${kind}, reads alone` : writes ? `${kind}, writes alone` : 'disabled'
    return `  ${range(base, size)} (${how}): ${name}\n`
  })
  const sorted = [...ports].sort((a, b) => a.base - b.base)
  const io = sorted.map(
    ({ name, owner, base, count }) => `  ${range(base, count)} (i/o): ${name}${owner === name ? '' : ` of ${owner}`}\n`,
  )
  return `address-space: memory\n${regions.join('')}\naddress-space: I/O\n${io.join('')}`
}

/** Each device with its state, or by names alone. */
export function deviceLines({ devices }: MachineParts, only: string, withState: boolean): string {
  const shown = devices.filter(({ name, type }) => only === '' || name === only || type === only)
  if (shown.length === 0) return `there is no device '${only}'; 'info devices' lists them\n`
  const lines = shown.flatMap(({ name, type, state }) => [
    `dev: ${type ?? name}, id "${name}"`,
    ...(withState ? fields(state, '  ') : []),
  ])
  return `${lines.slice(0, MOST_LINES).join('\n')}\n${lines.length > MOST_LINES ? 'and more\n' : ''}`
}

function fields(state: State, indent: string): string[] {
  return Object.entries(state).flatMap(([name, value]) => {
    if (value instanceof Uint8Array || ArrayBuffer.isView(value))
      return [`${indent}${name} = ${(value as Uint8Array).byteLength} bytes`]
    if (Array.isArray(value)) {
      const plain = value.every((one) => typeof one !== 'object')
      const shown = plain
        ? value.slice(0, MOST_ENTRIES).join(' ') + (value.length > MOST_ENTRIES ? ' …' : '')
        : `${value.length} entries`
      return [`${indent}${name} = ${shown}`]
    }
    if (typeof value === 'object' && value !== null)
      return [`${indent}${name}:`, ...fields(value as State, `${indent}  `)]
    return [
      `${indent}${name} = ${typeof value === 'number' && value > 9 && Number.isInteger(value) ? `${value} (0x${value.toString(16)})` : String(value)}`,
    ]
  })
}
