/** Keeps the guest's TSC in step with guest time: a pause that guest time leaves out is taken out of the TSC too. */

import { Struct } from '../../host/libc.js'
import * as abi from './abi.js'
import type { VcpuState } from './vcpu-state.js'
import type { KvmVcpu } from './vm.js'

/** Attribute group and attribute of a vCPU: KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET (Linux 5.16). */
const TSC_CTRL = 0
const TSC_OFFSET = 0

export class TimeStampCounter {
  private readonly khz: number
  private readonly offset = new Struct(8)
  private readonly attribute = new Struct(24)

  constructor(
    private readonly vcpu: KvmVcpu,
    private readonly state: VcpuState,
  ) {
    this.khz = vcpu.try(abi.KVM_GET_TSC_KHZ, 0) ? vcpu.call('KVM_GET_TSC_KHZ', abi.KVM_GET_TSC_KHZ, 0) : 0
    const { view } = this.attribute
    view.setUint32(4, TSC_CTRL, true)
    view.setBigUint64(8, BigInt(TSC_OFFSET), true)
    view.setBigUint64(16, BigInt(this.offset.address), true)
  }

  /**
   * Without the offset attribute the MSR is written, and KVM may take a step of less than a second for an attempt to
   * synchronise processors, and leave it out.
   */
  goBack(ns: number): void {
    const ticks = BigInt(Math.round((ns * this.khz) / 1e6))
    if (this.vcpu.try(abi.KVM_GET_DEVICE_ATTR, this.attribute.address)) {
      const { view } = this.offset
      view.setBigUint64(0, BigInt.asUintN(64, view.getBigUint64(0, true) - ticks), true)
      if (this.vcpu.try(abi.KVM_SET_DEVICE_ATTR, this.attribute.address)) return
    }
    this.state.writeTsc(BigInt.asUintN(64, this.state.readTsc() - ticks))
  }
}
