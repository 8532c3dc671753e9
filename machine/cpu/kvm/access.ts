/** Whether this host lets us use /dev/kvm at all, and if not, why and how to mend it. */

import { existsSync, readFileSync, statSync } from 'node:fs'
import { HostError } from '../../errors.js'
import { EACCES, EBUSY, ENOENT, EPERM, libc, O_CLOEXEC, O_RDWR } from '../../host/libc.js'
import { API_VERSION, KVM_CREATE_VM, KVM_GET_API_VERSION } from './abi.js'

export const KVM_DEVICE = '/dev/kvm'

/** A call that KVM refused. */
export class KvmError extends HostError {
  override readonly name = 'KvmError'

  constructor(
    readonly call: string,
    readonly errno: number,
  ) {
    super(`${call} failed, errno ${errno}`)
  }
}

/** Why KVM cannot be used: one sentence, and one that says what to do. */
export interface NoAccess {
  why: string
  mend: string
}

/** Which of Intel's VT-x and AMD's AMD-V the processor shows. */
function virtualization(): 'vmx' | 'svm' | undefined {
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].split(' ') ?? []
    return flags.includes('vmx') ? 'vmx' : flags.includes('svm') ? 'svm' : undefined
  } catch {
    return undefined
  }
}

function mendMissing(): string {
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv')) return 'start the container with --device /dev/kvm'
  switch (virtualization()) {
    case 'vmx':
      return 'sudo modprobe kvm_intel'
    case 'svm':
      return 'sudo modprobe kvm_amd'
    default:
      return 'turn on VT-x or AMD-V in the firmware setup, or, where this is itself a virtual machine, nested virtualization'
  }
}

/** By its group, where that may open the device and is not root's own. */
function mendPermission(): string {
  const { mode, gid } = statSync(KVM_DEVICE)
  // Open to all, and yet refused: by a container.
  if ((mode & 0o006) === 0o006) return mendMissing()
  const group = (mode & 0o060) === 0o060 && gid !== 0 ? groupName(gid) : undefined
  return group
    ? `add yourself to the group ${group} (sudo usermod -aG ${group} $USER, then log in again)`
    : `let users open it (sudo chmod 666 ${KVM_DEVICE})`
}

function groupName(gid: number): string | undefined {
  try {
    return new RegExp(`^([^:]+):[^:]*:${gid}:`, 'm').exec(readFileSync('/etc/group', 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

/** What an errno of open or of KVM_CREATE_VM means. */
function explain(call: string, errno: number): NoAccess {
  if (call === 'open' && errno === ENOENT) return { why: `there is no ${KVM_DEVICE}`, mend: mendMissing() }
  if (call === 'open' && (errno === EACCES || errno === EPERM))
    return {
      why: `no permission to open ${KVM_DEVICE}`,
      mend: mendPermission(),
    }
  if (call === 'open') return { why: `${KVM_DEVICE} cannot be opened (errno ${errno})`, mend: mendMissing() }
  if (errno === EBUSY)
    return {
      why: 'another hypervisor holds the processor (KVM_CREATE_VM: EBUSY)',
      mend: 'stop VirtualBox or VMware machines that run on this host',
    }
  return { why: `KVM cannot make a virtual machine (${call}, errno ${errno})`, mend: 'look into dmesg' }
}

/** Undefined where KVM can be used. `device` is for tests. */
export function kvmAccess(device = KVM_DEVICE): NoAccess | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { why: 'KVM needs Linux on x86-64', mend: 'use --engine soft' }
  let c: ReturnType<typeof libc>
  try {
    c = libc()
  } catch (error) {
    return { why: `koffi cannot be loaded (${(error as Error).message})`, mend: 'run npm install' }
  }
  const fd = c.open(device, O_RDWR | O_CLOEXEC)
  if (fd < 0) return explain('open', c.errno())
  try {
    const version = c.ioctl(fd, KVM_GET_API_VERSION, 0)
    if (version !== API_VERSION)
      return { why: `${device} speaks version ${version} of KVM's interface, not 12`, mend: 'use --engine soft' }
    const vm = c.ioctl(fd, KVM_CREATE_VM, 0)
    if (vm < 0) return explain('KVM_CREATE_VM', c.errno())
    c.close(vm)
    return undefined
  } finally {
    c.close(fd)
  }
}
