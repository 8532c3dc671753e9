/** A boot sector for several CPUs. */
import { UNREAL } from './unreal.js'

/**
 * Every woken CPU adds one to [600h], enables its local APIC and halts; an IPI of vector 40h makes it add one to [602h].
 * The bootstrap processor leaves with both numbers through debug-exit.
 */
export const COUNT_CPUS = `
        bits 16
        org 7c00h
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 7c00h
        mov dword [600h], 0
        mov word [40h*4], handler
        mov word [40h*4+2], 0
        mov si, trampoline          ; to 8000h, where the start-up IPI sends them
        mov di, 8000h
        mov cx, trampoline_end - trampoline
        rep movsb
        call unreal
        mov esi, 0fee00000h
        mov dword [esi+0f0h], 1ffh
        mov dword [esi+300h], 0c4500h   ; INIT to all but self
        mov ecx, 1000
.init:  loop .init
        mov dword [esi+300h], 0c4608h   ; start-up at 0800:0000, twice
        mov dword [esi+300h], 0c4608h
        mov cx, [count]
.wait:  pause
        cmp [600h], cx
        jne .wait
        mov dword [esi+300h], 0c4040h   ; fixed, vector 40h
.ipis:  pause
        cmp [602h], cx
        jne .ipis
        mov al, [600h]
        shl al, 4
        or al, [602h]
        out 0f4h, al
        hlt

handler:
        lock inc word [602h]
        mov dword [esi+0b0h], 0
        iret

trampoline:
        jmp 0:ap
trampoline_end:

ap:     cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov ax, 1                       ; a stack of its own
        lock xadd [600h], ax
        mov sp, ax
        shl sp, 8
        add sp, 6000h
        call unreal
        mov esi, 0fee00000h
        mov dword [esi+0f0h], 1ffh
        sti
.rest:  hlt
        jmp .rest
${UNREAL}
count:  dw CPUS - 1
        times 510-($-$$) db 0
        dw 0aa55h
`
