/** Levels that several guests share. */

import { all, exit, graphics, type Level, still, text } from 'bootwright'

export const firmware: Level = {
  name: 'firmware',
  title: 'SeaBIOS shows its version',
  until: text(/SeaBIOS \(version/),
  timeout: '1m',
}

/** From the menu of a GRUB rescue image to its command line, where `ls` lists the drive that it booted from. */
export function grubRescue(drive: 'fd0' | 'cd' | 'hd0'): Level[] {
  return [
    firmware,
    { name: 'loader', title: 'GRUB’s menu', until: text('GNU GRUB  version') },
    { name: 'shell', title: 'the prompt grub> after c', keys: 'c', until: text(/^grub>/) },
    {
      name: 'disk',
      title: `ls finds the drive (${drive})`,
      keys: 'ls<enter>',
      until: text(new RegExp(`^.*\\(${drive}\\)`)),
    },
  ]
}

/** Of a live system or an installer. */
export const bootMenu: Level = {
  name: 'loader',
  title: 'a boot menu',
  until: text(/GRUB|ISOLINUX|SYSLINUX|Boot menu/i),
  timeout: '5m',
}
export const login: Level = { name: 'userland', title: 'the login', until: text(/login:/), timeout: '20m' }
export const rootShell: Level = {
  name: 'shell',
  title: 'a shell',
  keys: 'root<enter>',
  until: text(/# $/m),
  timeout: '5m',
}

const STANDS = all(graphics(), still('10s'))
export const desktop = (timeout: string): Level => ({
  name: 'desktop',
  title: 'the desktop stands still',
  until: STANDS,
  timeout,
})
export const setup = (timeout: string): Level => ({
  name: 'installer',
  title: 'Setup stands still',
  until: STANDS,
  timeout,
})
/** Of Red Hat's relatives. */
export const anaconda: Level = {
  name: 'installer',
  title: 'Anaconda starts',
  until: text(/anaconda|installer/i),
  timeout: '30m',
}

/** An installation by answers: the machine is reset when it is through, and boots from its disk. */
export const installed = (timeout: string, keys?: string): Level => ({
  name: 'installed',
  title: 'it is installed, and reset',
  ...(keys && { keys }),
  until: exit('reset'),
  timeout,
})
