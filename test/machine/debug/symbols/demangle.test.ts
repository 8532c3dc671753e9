import { expect, test } from 'vitest'
import { demangle } from '../../../../machine/debug/symbols/demangle.js'
import { Symbols } from '../../../../machine/debug/symbols/symbols.js'

test.each([
  ['_Z5kmainv', 'kmain'],
  ['_ZN6kernel5QueueIiE4pushERKi', 'kernel::Queue<int>::push'],
  ['_ZNK3vfs4NodeIPKcLb1EE4nameEv', 'vfs::Node<char const*, true>::name'],
  ['_ZN9SchedulerC1Ei', 'Scheduler::Scheduler'],
  ['_ZN3mem5ArenaImED2Ev', 'mem::Arena<unsigned long>::~Arena'],
  ['_ZN3LoglsIcEERS_T_', 'Log::operator<< <char>'],
  ['_ZN12_GLOBAL__N_14helpEv', '(anonymous namespace)::help'],
  ['_ZN4base6VectorINS_4PageESaIS1_EE4growEm', 'base::Vector<base::Page, std::allocator<base::Page>>::grow'],
  ['_ZStlsIcEvT_', 'std::operator<< <char>'],
  // Rust.
  ['_ZN2rs9scheduler4Task6resume17haa66239279eb06f8E', 'rs::scheduler::Task::resume'],
  [
    '_ZN52_$LT$os..vga..Writer$u20$as$u20$core..fmt..Write$GT$9write_str17h0123456789abcdefE',
    '<os::vga::Writer as core::fmt::Write>::write_str',
  ],
])('%s is %s', (mangled, shown) => {
  expect(demangle(mangled)).toBe(shown)
})

test.each([
  '_start',
  '_ZTV3Foo',
  '_Z',
  '_ZN',
  '_ZN3foo',
  '_ZN3fooS9_E',
  '_ZN99999fooE',
  '_ZN3fooIXadL_Z1xEEE',
  `_ZN1aI${'P'.repeat(500)}iEE`,
])('what is not understood stays: %s', (name) => {
  expect(demangle(name)).toBe(name)
})

test('a symbol is shown as it was written, and found by either name', () => {
  const name = '_ZN6kernel5panicEPKc'
  const file = { name: 'os', segments: [], base: 0n, symbols: [{ name, address: 0x1000n, size: 16n, rank: 1 }] }
  const symbols = new Symbols([{ file }])
  expect(symbols.find(0x1004n)).toEqual({ symbol: 'kernel::panic', offset: 4, start: 0x1000n })
  expect(symbols.addressOf('kernel::panic')).toBe(0x1000n)
  expect(symbols.addressOf(name)).toBe(0x1000n)
})
