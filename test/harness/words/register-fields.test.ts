import { expect, test } from 'vitest'
import { registerFields, registerFieldsOfEach } from '../../../harness/words/register-fields.js'

test('registers as fields: numbers in hexadecimal, segments and tables by their parts', () => {
  const fields = registerFields(`EAX=00000001 ECX=0000b79d EDX=00000000 EBX=0000d980
EIP=0000b7b9 EFLAGS=00000246 halted
ES =0040 base=00000400 limit=0000ffff access=00093
LDT=0000 base=00000000 limit=0000ffff access=00082
GDT=00001000:0027 IDT=00000000:03ff
CR0=00000010 CR2=00000000 EFER=0000`)
  expect(fields).toEqual({
    ...{ eax: '0x00000001', ecx: '0x0000b79d', edx: '0x00000000', ebx: '0x0000d980' },
    ...{ eip: '0x0000b7b9', eflags: '0x00000246', halted: true },
    es: { selector: '0x0040', base: '0x00000400', limit: '0x0000ffff', access: '0x00093' },
    ldt: { selector: '0x0000', base: '0x00000000', limit: '0x0000ffff', access: '0x00082' },
    ...{ gdt: { base: '0x00001000', limit: '0x0027' }, idt: { base: '0x00000000', limit: '0x03ff' } },
    ...{ cr0: '0x00000010', cr2: '0x00000000', efer: '0x0000' },
  })
})

test('of several CPUs each has its own', () => {
  const one = 'EAX=00000001 ECX=00000002\nCR0=00000010 EFER=0000'
  expect(registerFieldsOfEach(`CPU 0:\n${one}\nCPU 1:\n${one.replace('=00000001', '=00000007')}`)).toEqual([
    { eax: '0x00000001', ecx: '0x00000002', cr0: '0x00000010', efer: '0x0000' },
    { eax: '0x00000007', ecx: '0x00000002', cr0: '0x00000010', efer: '0x0000' },
  ])
  expect(registerFieldsOfEach(one)).toHaveLength(1)
  expect(registerFieldsOfEach(undefined)).toEqual([])
})
