/**
 * What ends KVM_RUN: a POSIX timer that sends a real-time signal to this thread. The signal is blocked in the thread
 * and let through only inside KVM_RUN (KVM_SET_SIGNAL_MASK), which then returns EINTR with the signal still pending;
 * sigtimedwait takes it away. So no signal handler is needed, and a signal that comes too early ends the next KVM_RUN.
 */

import { EAGAIN, EINTR, libc, Struct } from '../../host/libc.js'
import { KvmError } from './access.js'

/** SIGRTMIN (34 in glibc, 35 in musl) and a few more: neither uses it, nor do libuv and V8. */
export const ALARM_SIGNAL = 44

const CLOCK_MONOTONIC = 1
const SIGEV_THREAD_ID = 4
const SIG_BLOCK = 0
/** The C library's sigset_t; the kernel's is its first 8 bytes. */
const SIGSET_SIZE = 128

function putTime(view: DataView, at: number, ns: number): void {
  const seconds = Math.floor(ns / 1e9)
  view.setBigInt64(at, BigInt(seconds), true)
  view.setBigInt64(at + 8, BigInt(Math.floor(ns - seconds * 1e9)), true)
}

export class Alarm {
  private readonly c = libc()
  private readonly timer: number
  private readonly signals = new Struct(SIGSET_SIZE)
  /** struct itimerspec: interval, value. */
  private readonly setting = new Struct(32)
  private readonly timeout = new Struct(16)
  private closed = false

  /** Belongs to the thread that makes it. */
  constructor() {
    const { c, signals } = this
    signals.view.setBigUint64(0, 1n << BigInt(ALARM_SIGNAL - 1), true)
    c.pthreadSigmask(SIG_BLOCK, signals.address, 0)
    const event = new Struct(64)
    event.view.setInt32(8, ALARM_SIGNAL, true)
    event.view.setInt32(12, SIGEV_THREAD_ID, true)
    event.view.setInt32(16, c.gettid(), true)
    const timer = new Struct(8)
    if (c.timerCreate(CLOCK_MONOTONIC, event.address, timer.address) !== 0)
      throw new KvmError('timer_create', c.errno())
    this.timer = Number(timer.view.getBigUint64(0, true))
  }

  /** Struct kvm_signal_mask: what is blocked inside KVM_RUN, which is what is blocked now but for the alarm. */
  signalMask(): Struct {
    const now = new Struct(SIGSET_SIZE)
    this.c.pthreadSigmask(SIG_BLOCK, 0, now.address)
    const mask = new Struct(12)
    mask.view.setUint32(0, 8, true)
    const blocked = now.view.getBigUint64(0, true) & ~(1n << BigInt(ALARM_SIGNAL - 1))
    mask.view.setBigUint64(4, blocked, true)
    return mask
  }

  /** Goes off `ns` from now, once; replaces what was set before. */
  set(ns: number): void {
    // A zero would disarm it.
    putTime(this.setting.view, 16, Math.max(ns, 1))
    this.c.timerSettime(this.timer, 0, this.setting.address, 0)
  }

  /** Takes away signals that have come. */
  drain(): void {
    putTime(this.timeout.view, 0, 0)
    while (this.c.sigtimedwait(this.signals.address, 0, this.timeout.address) > 0);
  }

  /** Sleeps `ns`; an alarm that goes off in the meantime ends it early. */
  sleep(ns: number): void {
    putTime(this.timeout.view, 0, ns)
    const result = this.c.sigtimedwait(this.signals.address, 0, this.timeout.address)
    if (result < 0 && this.c.errno() !== EAGAIN && this.c.errno() !== EINTR)
      throw new Error(`sigtimedwait failed, errno ${this.c.errno()}`)
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.c.timerDelete(this.timer)
    this.drain()
  }
}
