/**
 * What need not be the same on our machine's screen and on QEMU's, for each guest, and why. Everything that is not named
 * here is compared, every pixel of it.
 */
import type { Exception } from './compare.js'
import type { Settle } from './pair.js'

export interface LevelRules {
  /** Not compared, for this reason. */
  passing?: string
  /** Text that is waited for as well, where the level's condition comes true before the screen is complete. */
  until?: RegExp
  /** How both come to rest; default: until nothing but the cursor changes. */
  settle?: Settle
  except?: readonly Exception[]
}

export interface GuestRules {
  /** Options for QEMU. */
  qemu?: readonly string[]
  levels: { readonly [level: string]: LevelRules }
}

const TRANSIENT = 'passes by; what it leaves is on the next screen'
const PASSING: LevelRules = { passing: TRANSIENT }

/** Menus that wait for a key and count the seconds. */
const GRUB_MENU: LevelRules = {
  until: /automatically in \d+s/,
  settle: { ns: 0.3e9 },
  except: [{ text: /automatically in (\d+s)/, why: 'seconds that are left' }],
}
/** `ls` looks into an empty floppy drive for seconds. */
const GRUB: GuestRules = { levels: { loader: GRUB_MENU, disk: { until: /^grub> ls\n[\s\S]*^grub>$/ } } }
const FREEDOS_MENU: LevelRules = {
  until: /Singlestepping/,
  settle: { ns: 0.3e9 },
  except: [{ text: /\(Selection=1\) - (\d+)/, why: 'seconds that are left' }],
}
const KOLIBRI_MENU: LevelRules = {
  settle: { ns: 0.3e9 },
  except: [{ text: /\(\d+ sec\)/, why: 'seconds that are left' }],
}

/** Memtest86+ shows what the CPU is and how far it is. */
const MEMTEST: Exception[] = [
  { text: /CLK\/Temp: +(\d+MHz)/, why: "TSC's speed" },
  { text: /L2 Cache: +(\S+)/, why: "the CPU models' L2" },
  { text: /L\d Cache: +\S+ +(\d\S+)/, why: 'speed of memory' },
  { text: /Memory +: +\S+ +(\d\S+)/, why: 'speed of memory' },
]
const MEMTEST_MEMORY: Exception = {
  text: /Memory +: +(\d+MB)/,
  why: 'e820: QEMU pads its ACPI tables, which lie at the end of RAM, to 128 KiB; ours take 8 KiB',
}
const MEMTEST_RUNNING: Exception[] = [
  ...MEMTEST,
  MEMTEST_MEMORY,
  { text: /│ (Pass.*)$/, why: 'progress' },
  { text: /│ (Test.*)$/, why: 'progress' },
  { text: /│ (Pattern.*)$/, why: 'progress' },
  { text: /Using: (.*?) +│/, why: 'progress: the CPUs of this test' },
  { text: /Time: +(\S+)/, why: 'time' },
  { text: /Status: Testing +(\S)/, why: 'a bar that turns' },
]

const OPENBSD: Exception[] = [
  { text: /^cd0 at scsibus0 targ 0 lun 0: (<.*)$/, why: "the CD drives' names" },
  {
    text: /^fd0 at fdc0 (drive .*)$/,
    why: 'this kernel finds our floppy drive 0; in QEMU it finds an absent drive 1 instead of the one it booted from',
  },
]

const KERNEL_TIME: Exception[] = [{ text: /^\[ *\d+\.\d{6}\]/, why: 'seconds since the start' }]

const PLAN9: Exception[] = [
  { text: /^cpu0: (\d+MHz)/, why: "TSC's speed" },
  { text: /^cpu0: .* DX 0x(\w+)\)/, why: "CPUID's features: TCG has no VME, and shows ACPI and SS" },
]

/** At the right end of its task bar. */
const KOLIBRI_TASKBAR: Exception[] = [
  { area: { x: 750, y: 575, width: 6, height: 21 }, why: "meter of the CPU's load" },
  { area: { x: 760, y: 576, width: 36, height: 19 }, why: 'clock, its colon blinks' },
]

export const RULES: { readonly [guest: string]: GuestRules } = {
  freedos: { levels: { kernel: PASSING } },
  'freedos-installer': { levels: { kernel: FREEDOS_MENU, shell: PASSING } },
  elks: { levels: { loader: PASSING, kernel: PASSING } },
  kolibri: {
    levels: {
      loader: KOLIBRI_MENU,
      kernel: PASSING,
      desktop: { settle: { ns: 3e9 }, except: KOLIBRI_TASKBAR },
      mouse: { settle: { ns: 2e9 }, except: KOLIBRI_TASKBAR },
    },
  },
  'openbsd-installer': {
    // 8 ns an instruction, next to our 10: its probes wait so shortly that on a busy host QEMU's drives answer too late.
    qemu: ['-icount', 'shift=3'],
    levels: { kernel: PASSING, installer: { except: OPENBSD }, shell: { except: OPENBSD } },
  },
  'plan9-2004': { levels: { kernel: PASSING, userland: PASSING, installer: { except: PLAN9 } } },
  'memtest86plus-ia32': {
    levels: {
      kernel: { settle: { ns: 2e9 }, except: [...MEMTEST, MEMTEST_MEMORY] },
      testing: { settle: { ns: 0.1e9 }, except: MEMTEST_RUNNING },
    },
  },
  'grub-rescue-floppy': GRUB,
  'grub-rescue-disk': GRUB,
  'grub-rescue-cd': GRUB,
  ipxe: { levels: { loader: PASSING, kernel: PASSING } },
  'debian-12-i386-kernel': {
    levels: { kernel: PASSING, screen: PASSING, devices: PASSING, userland: { except: KERNEL_TIME } },
  },
  'debian-12-i386-installer': { levels: { kernel: PASSING, userland: PASSING } },
}

/** SeaBIOS's first screen is gone before it is complete; its text stands above the guest's. */
export function rulesFor(guest: string, level: string): LevelRules {
  if (level === 'firmware') return PASSING
  return RULES[guest]?.levels[level] ?? {}
}
