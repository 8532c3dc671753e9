/**
 * The C library's calls that the KVM engine, memory images and locks need, through koffi. Linux on x86-64 only.
 *
 * koffi is loaded at the first use and not before: it is a native module, and `soft` has to run where there is none.
 * Pointers are passed as numbers (user-space addresses have 47 bits), which spares a BigInt and koffi's checks.
 */
import { createRequire } from 'node:module'
import { inNativeCode } from './native-code.js'

type Koffi = typeof import('koffi')

export interface Libc {
  open(path: string, flags: number): number
  close(fd: number): number
  fcntl(fd: number, command: number, argument: number): number
  ioctl(fd: number, request: number, argument: number): number
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number
  munmap(address: number, length: number): number
  madvise(address: number, length: number, advice: number): number
  memfdCreate(name: string, flags: number): number
  gettid(): number
  timerCreate(clock: number, sigevent: number, timer: number): number
  timerSettime(timer: number, flags: number, value: number, old: number): number
  timerDelete(timer: number): number
  pthreadSigmask(how: number, set: number, old: number): number
  clockGettime(clock: number, time: number): number
  sigtimedwait(set: number, info: number, timeout: number): number
  /** Of the call before. */
  errno(): number
  /** Memory outside V8 as a buffer, which is dangling once the memory is unmapped. */
  view(address: number, length: number): ArrayBuffer
  addressOf(buffer: ArrayBufferLike): number
}

export const O_RDWR = 2
export const O_CLOEXEC = 0o2000000
export const PROT_READ_WRITE = 3
export const MAP_SHARED = 1
/** MAP_PRIVATE | MAP_FIXED. */
export const MAP_PRIVATE_FIXED = 0x12
export const MAP_PRIVATE_ANONYMOUS = 0x22
export const MAP_FIXED_ANONYMOUS = 0x32
export const MAP_FAILED = -1
export const MADV_DONTNEED = 4
export const MFD_CLOEXEC = 1
export const F_DUPFD_CLOEXEC = 1030

export const ENOENT = 2
export const EINTR = 4
export const EAGAIN = 11
export const EACCES = 13
export const EPERM = 1
export const EBUSY = 16
export const ENODEV = 19

const SYS_GETTID = 186

let bound: Libc | undefined

/** Throws an Error where koffi has no build for this platform. */
export function libc(): Libc {
  bound ??= inNativeCode(() => bind(loadKoffi()))
  return bound
}

/**
 * koffi takes 12 ms to find its native part among those for twenty platforms, which takes 4 to load: a machine with a medium
 * waits for that. Where the packages lie otherwise than npm lays them, koffi finds it.
 */
function loadKoffi(): Koffi {
  const load = createRequire(import.meta.url)
  try {
    return load('@koromix/koffi-linux-x64/linux_x64/koffi.node')
  } catch {
    return load('koffi')
  }
}

function bind(koffi: Koffi): Libc {
  const process = koffi.load(null)
  const syscall = process.func('long syscall(long number)')
  const fcntl = process.func('int fcntl(int fd, int command, ...)')
  const mmap = process.func(
    'intptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)',
  )
  return {
    open: process.func('int open(const char *path, int flags)'),
    close: process.func('int close(int fd)'),
    fcntl: (fd, command, argument) => fcntl(fd, command, 'uintptr_t', argument),
    ioctl: process.func('int ioctl(int fd, unsigned long request, uintptr_t argument)'),
    mmap: (...parameters) => Number(mmap(...parameters)),
    madvise: process.func('int madvise(uintptr_t address, size_t length, int advice)'),
    munmap: process.func('int munmap(uintptr_t address, size_t length)'),
    memfdCreate: process.func('int memfd_create(const char *name, unsigned int flags)'),
    gettid: () => Number(syscall(SYS_GETTID)),
    timerCreate: process.func('int timer_create(int clock, uintptr_t sigevent, uintptr_t timer)'),
    timerSettime: process.func('int timer_settime(uintptr_t timer, int flags, uintptr_t value, uintptr_t old)'),
    timerDelete: process.func('int timer_delete(uintptr_t timer)'),
    pthreadSigmask: process.func('int pthread_sigmask(int how, uintptr_t set, uintptr_t old)'),
    clockGettime: process.func('int clock_gettime(int clock, uintptr_t time)'),
    sigtimedwait: process.func('int sigtimedwait(uintptr_t set, uintptr_t info, uintptr_t timeout)'),
    errno: () => koffi.errno(),
    view: (address, length) => inNativeCode(() => koffi.view(BigInt(address), length)),
    addressOf: (buffer) => Number(koffi.address(buffer)),
  }
}

/** A C struct: a buffer of fixed address. */
export class Struct {
  readonly buffer: ArrayBuffer
  readonly view: DataView
  readonly bytes: Uint8Array
  readonly address: number

  constructor(readonly size: number) {
    this.buffer = new ArrayBuffer(size)
    this.view = new DataView(this.buffer)
    this.bytes = new Uint8Array(this.buffer)
    this.address = libc().addressOf(this.buffer)
  }
}
