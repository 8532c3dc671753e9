/** What os-autoinst itself decides of the screens in its `t/data` (facts from its t/01-test_needle.t, November 2026). */

export interface Expected {
  needle: string
  /** Without `.test.png`. */
  screen: string
  ok: boolean
  searchRatio?: number
  /** The last area: where, and how similar within 0.01. */
  area?: { x?: number; y?: number; similarity?: number }
}

function same(name: string, ok: boolean, more: Omit<Partial<Expected>, 'needle' | 'ok'> = {}): Expected {
  return { needle: name, screen: name.replace(/\.ref$/, ''), ok, ...more }
}

export const EXPECTED: readonly Expected[] = [
  same('bootmenu.ref', true),
  { needle: 'bootmenu-fail.ref', screen: 'bootmenu', ok: false },
  same('reclaim_space_delete_btn-20160823.ref', true, { area: { x: 108, y: 519 } }),
  same('reclaim_space_delete_btn-20160823.ref', true, { searchRatio: 0.9, area: { x: 108, y: 519 } }),
  same('console.ref', false, { area: { x: 190, y: 285, similarity: 0.945 } }),
  same('uefi.ref', false),
  { needle: 'uefi-margin.ref', screen: 'uefi', ok: true, area: { x: 378, y: 221 } },
  same('glibc_i686.ref', false),
  same('glibc_i686.ref', true, { searchRatio: 2 / 3 }),
  same('kde.ref', false),
  same('zypper_ref.ref', true),
  same('screenlock.ref', true),
  same('desktop-at-first-boot-kde-without-greeter-20140926', false),
  same('yast2_lan-hostname-tab-20140630', true),
  same('desktop_mainmenu-gnomesled-sles12', false),
  same('inst-video-typed-sles12b9', false),
  same('displaymanager-sle12', false),
  same('inst-welcome-20140902', true),
  same('confirmlicense-sle12', true),
  same('desktop-runner-20140523', true),
  same('accept-ssh-host-key', false),
  same('xorg_vt-Xorg-20140729', false),
  same('select_patterns', false),
  same('other-desktop-dvd-20140904', false),
  same('kde-unselected-20141211', true, { area: { x: 313, y: 260 } }),
  same('xterm-started-20141204', false, { searchRatio: 0.7, area: { x: 127, y: 76, similarity: 0.9058 } }),
  same('inst-rescuesystem-20141027', false, { area: { similarity: 0 } }),
  same('ooffice-save-prompt-gnome-20160713', false, { area: { similarity: 0 } }),
]
