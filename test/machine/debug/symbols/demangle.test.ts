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
  // Rust's v0, as rustc 1.95 makes them and `nm -C` shows them.
  ['_RNvCs4fqI2P2rA04_6kernel5kmain', 'kernel::kmain'],
  ['_RNvXCsatdfoCJcp2e_1kINtB2_6SerialKt3f8_ENtB2_3Out3putB2_', '<k::Serial<1016> as k::Out>::put'],
  [
    '_RINvMs_CsatdfoCJcp2e_1kINtB5_4TreehE10walk_againNCNvB5_5kmain0EB5_',
    '<k::Tree<u8>>::walk_again::<k::kmain::{closure#0}>',
  ],
  ['_RINvNtCsatdfoCJcp2e_1k5crash4deeptEB4_', 'k::crash::deep::<u16>'],
  ['_RINvNtCsatdfoCJcp2e_1k5crash4deepRShEB4_.llvm.15793620874529935165', 'k::crash::deep::<&[u8]>'],
  ['_RINvCs29DNt0Z4Ryl_1k4eachDNtNtB2_3fmt5WriteEL_EB2_.cold', 'k::each::<dyn k::fmt::Write>.cold'],
  ['_RINvC1k4eachFUKCATlbEj3_EuEB2_', 'k::each::<unsafe extern "C" fn([(i32, bool); 3])>'],
  ['_RINvC1k4eachFG_RL0_hEBd_EB2_', "k::each::<for<'a> fn(&'a u8) -> &'a u8>"],
  ['_RINvC1k4eachKln5_Kb1_Kc41_EB2_', "k::each::<-5, true, 'A'>"],
  ['_RNvNtC1ku9bcher_kva2nn', 'k::bücher::nn'],
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
  '_R',
  '_RNvC1k',
  '_RNvC9k4main',
  '_RNvB_4main',
  '_RNvC1ku6zzzzzz',
  `_R${'Nv'.repeat(500)}C1k1a`,
  // Each names the one before twice.
  `_RIC1k${Array.from({ length: 200 }, (_, i) => (i === 0 ? 'ThhE' : `TB${((i - 1) * 8 + 4).toString(36)}_B4_E`)).join('')}E`,
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
