/** The project's own test system: what it shows on the way, from a floppy as from a loader. */
import { exit, type GuestDefinition, type Level, serial, text } from 'bootwright'

export const OWN = { family: 'test', licence: 'MIT' } satisfies Partial<GuestDefinition>

export const levels: readonly Level[] = [
  { name: 'kernel', title: 'its name on the screen', until: text('Bootwright test system') },
  { name: 'serial', title: 'the same on COM1', until: serial(/^loader: Multiboot/) },
  { name: 'disk', title: 'a sector comes back as it was written', until: text('disk: written and read back') },
  { name: 'keyboard', title: 'it hears a key', keys: "<wait 'ready'>k", until: text('keyboard: k'), timeout: '30s' },
  { name: 'mouse', title: 'it hears the mouse', keys: '<mouse 10,5>', until: text('mouse: moved'), timeout: '30s' },
  { name: 'power-off', title: 'q switches it off', keys: 'q', until: exit('poweroff'), timeout: '30s' },
]
