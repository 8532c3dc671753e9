/** Debian 12 as its own installer installs it, in stages: what fails in one is tried again from the one before. */
import type { Guest } from '../../harness/guest/guest.js'
import { expect, type Stage, type StageOptions, stage } from '../../harness/vitest/index.js'

const limits = { timeout: '3h', hostTimeout: '3h' } as const

export interface DebianStages {
  /** The disk is partitioned, and debootstrap begins. */
  base: Stage
  /** The base system is there, and a kernel is chosen. */
  kernel: Stage
  /** Its last act: the machine was reset, and the firmware begins. */
  installed: Stage
  /** The installed system waits for a user. */
  login: Stage
}

/**
 * @param name Of these stages; others of the same guest are made by themselves.
 * @param machine What it has otherwise than the guest says.
 */
export function debianStages(guest: Guest, name: string, machine: StageOptions = {}): DebianStages {
  const base = stage(`${name}-base`, { guest, engine: 'soft', ...limits, ...machine }, async (vm) => {
    await expect(vm.screen).toHaveText('Installing the base system')
  })
  const kernel = stage(`${name}-kernel`, { from: base, ...limits }, async (vm) => {
    await expect(vm.screen).toHaveText('Selecting the kernel to install')
  })
  const installed = stage(`${name}-installed`, { from: kernel, ...limits }, async (vm) => {
    await expect(vm).toExit({ reason: 'reset' })
  })
  const login = stage(`${name}-login`, { from: installed, ...limits }, async (vm) => {
    await expect(vm.screen).toHaveText(/^debian login:/)
    await vm.serial.waitFor(/debian login: $/)
  })
  return { base, kernel, installed, login }
}
