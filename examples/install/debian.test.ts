// Debian 12 is installed by its own installer, unattended: half an hour, once. What fails goes on from the stage before it.
import { expect, stage, test } from 'bootwright/vitest'

const limits = { timeout: '3h', hostTimeout: '3h' } as const

const base = stage('debian-12-base', { guest: 'debian-12-amd64-unattended', engine: 'soft', ...limits }, async (vm) => {
  await expect(vm.screen).toHaveText('Installing the base system')
})
const kernel = stage('debian-12-kernel', { from: base, ...limits }, async (vm) => {
  await expect(vm.screen).toHaveText('Selecting the kernel to install')
})
const installed = stage('debian-12-installed', { from: kernel, ...limits }, async (vm) => {
  await expect(vm).toExit({ reason: 'reset' })
})
const login = stage('debian-12-login', { from: installed, ...limits }, async (vm) => {
  await expect(vm.screen).toHaveText(/^debian login:/)
  await vm.serial.waitFor(/debian login: $/)
})

test.from(login)('installs a package', async ({ vm }) => {
  const shell = await vm.serial.shell({ login: 'root', password: 'bootwright' })
  expect(await shell.run('apt-get update && apt-get install -y hello')).toMatchObject({ exitCode: 0 })
  expect(await shell.run('hello')).toEqual({ exitCode: 0, stdout: 'Hello, world!\n' })
})

test.from(login)('is switched off by its power button', async ({ vm }) => {
  await vm.power.button()
  await expect(vm).toExit({ reason: 'poweroff' })
})
