/** A KVM virtual machine and its vCPU as far as the kernel interface goes: file descriptors, slots, the run page. */

import { libc, MAP_FAILED, MAP_SHARED, O_CLOEXEC, O_RDWR, PROT_READ_WRITE, Struct } from '../../host/libc.js'
import * as abi from './abi.js'
import { KVM_DEVICE, KvmError } from './access.js'
import { type CpuidEntry, cpuidTable, guestCpuid, supportedCpuid } from './cpuid.js'

/** Three pages that KVM needs on older Intel processors; below the BIOS, where QEMU has them too. */
const TSS_ADDRESS = 0xfeffd000
const IDENTITY_MAP_ADDRESS = 0xfeffc000

/** KVM_CAP_X86_USER_SPACE_MSR: exits for MSRs that KVM does not know. */
const MSR_EXIT_REASON_UNKNOWN = 2

export class KvmVm {
  readonly fd: number
  readonly cpuid: CpuidEntry[]
  private readonly kvm: number
  private readonly c = libc()
  private readonly region = new Struct(32)
  private closed = false

  /** Throws a KvmError. */
  constructor() {
    const { c } = this
    this.kvm = c.open(KVM_DEVICE, O_RDWR | O_CLOEXEC)
    if (this.kvm < 0) throw new KvmError(`open ${KVM_DEVICE}`, c.errno())
    this.fd = c.ioctl(this.kvm, abi.KVM_CREATE_VM, 0)
    if (this.fd < 0) {
      const errno = c.errno()
      c.close(this.kvm)
      throw new KvmError('KVM_CREATE_VM', errno)
    }
    try {
      this.call('KVM_SET_TSS_ADDR', abi.KVM_SET_TSS_ADDR, TSS_ADDRESS)
      const identity = new Struct(8)
      identity.view.setBigUint64(0, BigInt(IDENTITY_MAP_ADDRESS), true)
      this.call('KVM_SET_IDENTITY_MAP_ADDR', abi.KVM_SET_IDENTITY_MAP_ADDR, identity.address)
      if (this.extension(abi.CAP_X86_USER_SPACE_MSR)) {
        const cap = new Struct(104)
        cap.view.setUint32(0, abi.CAP_X86_USER_SPACE_MSR, true)
        cap.view.setBigUint64(8, BigInt(MSR_EXIT_REASON_UNKNOWN), true)
        this.call('KVM_ENABLE_CAP', abi.KVM_ENABLE_CAP, cap.address)
      }
      this.cpuid = guestCpuid(supportedCpuid(this.kvm))
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** 0 where the kernel does not have it. */
  extension(capability: number): number {
    return Math.max(0, this.c.ioctl(this.fd, abi.KVM_CHECK_EXTENSION, capability))
  }

  /** Size 0 takes the slot out. */
  setSlot(slot: number, guestAddress: number, size: number, hostAddress: number, readOnly: boolean): void {
    const { view, address } = this.region
    view.setUint32(0, slot, true)
    view.setUint32(4, readOnly ? abi.MEM_READONLY : 0, true)
    view.setBigUint64(8, BigInt(guestAddress), true)
    view.setBigUint64(16, BigInt(size), true)
    view.setBigUint64(24, BigInt(hostAddress), true)
    this.call('KVM_SET_USER_MEMORY_REGION', abi.KVM_SET_USER_MEMORY_REGION, address)
  }

  /** Writes in this range are collected in a ring beside the run page. False where the kernel cannot. */
  coalesce(guestAddress: number, size: number): boolean {
    const zone = new Struct(16)
    zone.view.setBigUint64(0, BigInt(guestAddress), true)
    zone.view.setUint32(8, size, true)
    return this.c.ioctl(this.fd, abi.KVM_REGISTER_COALESCED_MMIO, zone.address) === 0
  }

  createVcpu(): KvmVcpu {
    const fd = this.call('KVM_CREATE_VCPU', abi.KVM_CREATE_VCPU, 0)
    const size = this.c.ioctl(this.kvm, abi.KVM_GET_VCPU_MMAP_SIZE, 0)
    const vcpu = new KvmVcpu(fd, size)
    vcpu.call('KVM_SET_CPUID2', abi.KVM_SET_CPUID2, cpuidTable(this.cpuid).address)
    return vcpu
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.c.close(this.fd)
    this.c.close(this.kvm)
  }

  private call(name: string, request: number, argument: number): number {
    const result = this.c.ioctl(this.fd, request, argument)
    if (result < 0) throw new KvmError(name, this.c.errno())
    return result
  }
}

export class KvmVcpu {
  /** Struct kvm_run and what follows it. */
  readonly page: DataView
  readonly pageBytes: Uint8Array
  private readonly c = libc()
  private readonly mapping: number
  private closed = false

  constructor(
    readonly fd: number,
    private readonly pageSize: number,
  ) {
    this.mapping = this.c.mmap(0, pageSize, PROT_READ_WRITE, MAP_SHARED, fd, 0)
    if (this.mapping === MAP_FAILED) throw new KvmError('mmap of the run page', this.c.errno())
    const buffer = this.c.view(this.mapping, pageSize)
    this.page = new DataView(buffer)
    this.pageBytes = new Uint8Array(buffer)
  }

  /** KVM_RUN: 0, or the errno. */
  run(): number {
    return this.c.ioctl(this.fd, abi.KVM_RUN, 0) < 0 ? this.c.errno() : 0
  }

  call(name: string, request: number, argument: number): number {
    const result = this.c.ioctl(this.fd, request, argument)
    if (result < 0) throw new KvmError(name, this.c.errno())
    return result
  }

  /** Like `call`, for what a kernel may lack: false instead of an error. */
  try(request: number, argument: number): boolean {
    return this.c.ioctl(this.fd, request, argument) >= 0
  }

  /** The run page is not to be touched after this. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.c.munmap(this.mapping, this.pageSize)
    this.c.close(this.fd)
  }
}
