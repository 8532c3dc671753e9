/**
 * For boot sectors in `bits 16`: `call unreal` gives DS limits of 4 GiB ("unreal mode"). To be put behind code that
 * halts; CS must be 0. Changes EAX and BX.
 */
export const UNREAL = `
unreal: lgdt [gdt]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov bx, 8
        mov ds, bx
        and al, 0feh
        mov cr0, eax
        xor bx, bx
        mov ds, bx
        ret

        align 8
gdt:    dw 15
        dd gdt
        dw 0
        dq 00cf92000000ffffh
`
