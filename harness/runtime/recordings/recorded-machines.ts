/** Whether two recordings are of the same machine, and of the same files. */
import type { MachineConfig } from '../../config/machine-config.js'
import type { RecordingHeader } from './recorder.js'

/** What is told of the guest, and where its files are, makes no other machine. */
const UNSEEN: readonly (keyof MachineConfig)[] = [
  'symbols',
  'coverage',
  'log',
  'record',
  'engine',
  'overlayLimit',
  'kernel',
]
const PATHS = new Set(['path', 'pcap', 'bios', 'vgaBios', 'variables', 'romfile'])

/** One sentence that says what differs; undefined where it is the same machine. */
export function differentMachines(a: RecordingHeader, b: RecordingHeader): string | undefined {
  const names = new Set([...Object.keys(a.config), ...Object.keys(b.config)]) as Set<keyof MachineConfig>
  for (const name of names) {
    if (UNSEEN.includes(name)) continue
    const values = [a, b].map(({ config }) => plain(config[name]))
    if (values[0] !== values[1])
      return `they are of different machines: ${name} is ${words(name, values[0])} in the first and ${words(name, values[1])} in the second`
  }
  for (const [one, other, where] of [
    [a, b, 'first'],
    [b, a, 'second'],
  ] as const) {
    const lacking = one.inputs.find(({ what }) => !other.inputs.some((input) => input.what === what))
    if (lacking)
      return `they are of different machines: only the ${where} has a ${lacking.what}, ${JSON.stringify(lacking.path)}`
  }
  return undefined
}

/** A sentence for each file with other contents, and for the kernel's command line. */
export function differentFiles(a: RecordingHeader, b: RecordingHeader): string[] {
  const files = a.inputs.flatMap(({ what, path, sha256 }) => {
    const other = b.inputs.find((input) => input.what === what)
    return other && other.sha256 !== sha256
      ? [`the ${what} differs: ${JSON.stringify(path)} and ${JSON.stringify(other.path)}`]
      : []
  })
  const [one, other] = [a, b].map(({ config }) => config.kernel?.append ?? '')
  return one === other
    ? files
    : [...files, `the kernel's command line differs: ${JSON.stringify(one)} and ${JSON.stringify(other)}`]
}

function plain(value: unknown): string | undefined {
  return JSON.stringify(value, (key, one) => (PATHS.has(key) ? undefined : one))
}

function words(name: keyof MachineConfig, value: string | undefined): string {
  if (value === undefined) return "the default's"
  return name === 'memory' ? `${Number(value) / 2 ** 20} MiB` : value
}
