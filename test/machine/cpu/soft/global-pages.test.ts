/** Which translations outlast a load of CR3 (Intel SDM vol. 3, 4.10.2.4 and 4.10.4.1). */
import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runProtected } from './protected.js'

const GLOBAL = 0x100

/** With pages of 4 MiB, and global ones. */
const pagingOn = (pge: boolean) => `
      mov eax, cr4
      or eax, 0x10 | ${pge ? 0x80 : 0}
      mov cr4, eax
      mov eax, 0x20000
      mov cr3, eax
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax`

/** The page at 400000h is moved from 200000h to 201000h, and what of `flush` comes behind is what it takes to see that. */
const program = (flags: number, pge: boolean, flush: string, touch = '') => `
      mov edi, 0x20000
      mov eax, 0x000083
      mov [edi], eax
      mov dword [edi + 4], 0x21003
      mov edi, 0x21000
      mov ecx, 1024
      mov eax, 0x200003 | ${flags}
    fill: stosd
      add eax, 0x1000
      loop fill
      mov dword [0x200000], 0x11111111
      mov dword [0x201000], 0x22222222
      ${pagingOn(pge)}
      mov ecx, [0x400000]
      mov [0x400004], ecx
      ${touch}
      mov dword [0x21000], 0x201003 | ${flags}
      ${flush}
      mov dword [0x400008], 0x33333333
      mov ebx, [0x400000]
      mov edx, [0x200008]
      mov esi, [0x201008]
      emit ebx
      emit edx
      emit esi`

const loadCr3 = 'mov eax, cr3\nmov cr3, eax'
const OLD = [0x11111111, 0x33333333, 0]
const NEW = [0x22222222, 0, 0x33333333]
/** More pages than there is a note of. */
const touchMany = 'mov edi, 0x402000\nmany: mov eax, [edi]\nadd edi, 0x1000\ncmp edi, 0x5ff000\njb many'

describe.skipIf(!haveNasm)('a load of CR3', () => {
  test.each([
    ['keeps global pages', GLOBAL, true, loadCr3, OLD],
    ['again and again', GLOBAL, true, `${loadCr3}\n${loadCr3}`, OLD],
    ['forgets others', 0, true, loadCr3, NEW],
    ['forgets all without CR4.PGE', GLOBAL, false, loadCr3, NEW],
  ])('%s', (_, flags, pge, flush, expected) => {
    expect(runProtected(program(flags, pge, flush)).out).toEqual(expected)
    expect(runProtected(program(flags, pge, flush, touchMany)).out).toEqual(expected)
  })

  test.each([
    ['INVLPG', 'invlpg [0x400000]'],
    ['a change of CR4.PGE', 'mov eax, cr4\nxor eax, 0x80\nmov cr4, eax\nxor eax, 0x80\nmov cr4, eax'],
  ])('%s forgets global pages too', (_, flush) => {
    expect(runProtected(program(GLOBAL, true, `${loadCr3}\n${flush}`)).out).toEqual(NEW)
  })
})

/** The same of code: the page at 400000h, where a function is, is moved to another one that differs. */
const codeProgram = (flags: number, flush: string) => `
      mov edi, 0x20000
      mov dword [edi], 0x000183
      mov dword [edi + 4], 0x21003
      mov dword [0x21000], 0x200003 | ${flags}
      mov dword [0x200000], 0x111111b8
      mov dword [0x200004], 0x0000c311
      mov dword [0x201000], 0x222222b8
      mov dword [0x201004], 0x0000c322
      ${pagingOn(true)}
      mov esi, 0x400000
      call esi
      mov ebx, eax
      mov dword [0x21000], 0x201003 | ${flags}
      ${flush}
      call esi
      mov edx, eax
      emit ebx
      emit edx`

describe.skipIf(!haveNasm)('code in a page that is moved, after a load of CR3', () => {
  test.each([
    ['is as it was where its page is global', GLOBAL, loadCr3, 0x11111111],
    ['again and again', GLOBAL, `${loadCr3}\n${loadCr3}`, 0x11111111],
    ['is found where the page is now, if that is not global', 0, loadCr3, 0x22222222],
    ['and after INVLPG, if it is', GLOBAL, `${loadCr3}\ninvlpg [0x400000]`, 0x22222222],
    [
      'and after a change of CR4.PGE',
      GLOBAL,
      'mov eax, cr4\nxor eax, 0x80\nmov cr4, eax\nxor eax, 0x80\nmov cr4, eax',
      0x22222222,
    ],
  ])('%s', (_, flags, flush, expected) => {
    expect(runProtected(codeProgram(flags, flush)).out).toEqual([0x11111111, expected])
  })
})
