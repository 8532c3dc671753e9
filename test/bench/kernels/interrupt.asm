; Software interrupt: INT 80h from ring 3 through a gate and a TSS, IRET back.
%define PER_ITERATION 7
%define SETUP 17
%define PASS 60000
%define PREPARE
%include "frame.inc"

kernel:
    xor eax, eax
    xor esi, esi
    mov ebx, ecx
    mov [stack], xsp
    push RING3_DATA
%ifdef LONG
    push rsp
%else
    push STACK - 0x100
%endif
    push 2
    push RING3_CODE
    push .loop
    xiret
.loop:
    int 0x80
    dec xbx
    jnz .loop
    inc esi
    int 0x80
called:
    add eax, ebx
    test esi, esi
    jnz .end
    xiret
.end:
    mov xsp, [stack]
    ret
align 8
stack: dq 0

prepare:
    mov ax, RING3_DATA          ; another selector does not outlast the way to ring 3
    mov ds, ax
    mov es, ax
    call set_task
    mov al, 0x80
    mov edx, called
    jmp set_gate
%include "rings.inc"
