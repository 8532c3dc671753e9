/** What the guests of Debian 12's installer share: its kernel and initial RAM disk, and how it starts. */

import { type GuestDefinition, type GuestMedium, type Level, packageFile, text } from 'bootwright'
import { firmware } from './levels.js'

export type DebianArch = 'i386' | 'amd64'

export const DEBIAN = { family: 'Linux', licence: 'GPL-2.0-only' } satisfies Partial<GuestDefinition>

/** @param flavour The installer in the initial RAM disk: in text, or with GTK on a framebuffer. */
export function debianFiles(arch: DebianArch, flavour: 'text' | 'gtk' = 'text') {
  const folder = `/usr/lib/debian-installer/images/12/${arch}/${flavour}/debian-installer/${arch}`
  const file = (name: string): GuestMedium => packageFile(`debian-installer-12-netboot-${arch}`, `${folder}/${name}`)
  return { image: file('linux'), initrd: file('initrd.gz') }
}

/** Unpacking the initial RAM disk takes most of the time up to here. */
export const userland: Level = {
  name: 'userland',
  title: '/init starts',
  until: text('Run /init as init process'),
  timeout: '15m',
}

export const kernelOnScreen: Level = {
  name: 'kernel',
  title: 'its messages on the screen',
  until: text(/^\[ +\d+\.\d+\] /),
}

/** The text installer, in text mode so that its dialogs can be read exactly. */
export function textInstaller(arch: DebianArch): Pick<GuestDefinition, 'machine' | 'levels'> {
  return {
    machine: {
      // With less, the installer goes into its low-memory mode.
      memory: arch === 'i386' ? 512 : 1024,
      kernel: { ...debianFiles(arch), append: 'vga=normal fb=false nomodeset' },
    },
    levels: [
      firmware,
      kernelOnScreen,
      userland,
      {
        name: 'installer',
        title: 'the dialog “Select a language”',
        until: text(/Select a language[\s\S]*<Tab> moves/),
        timeout: '15m',
      },
      {
        name: 'keyboard',
        title: 'Enter goes on to the location',
        keys: '<wait2><enter>',
        until: text(/Select your location[\s\S]*<Tab> moves/),
        timeout: '15m',
      },
    ],
  }
}
