/** Levels that several guests share. */

import { type Level, text } from 'bootwright'
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
