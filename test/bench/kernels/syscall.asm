; System call by SYSENTER and SYSEXIT, in 64-bit code SYSCALL and SYSRET: from ring 3 to ring 0 and back.
%ifdef LONG
    %define PER_ITERATION 7
    %define SETUP 12
%else
    %define PER_ITERATION 9
    %define SETUP 14
%endif
%define PASS 100000
%define PREPARE
%include "frame.inc"

kernel:
    xor eax, eax
    xor esi, esi
    mov ebx, ecx
%ifdef LONG
    mov ecx, .loop
    mov r11d, 2
    o64 sysret
.loop:
    syscall
    dec rbx
    jnz .loop
    inc esi
    syscall
called:
    add eax, ebx
    test esi, esi
    jnz .end
    o64 sysret
.end:
    ret                         ; ring 3 had the same stack
%else
    mov [stack], esp
    mov edx, .loop
    mov ecx, STACK - 0x100
    sysexit
.loop:
    mov ecx, esp
    mov edx, .back
    sysenter
.back:
    dec ebx
    jnz .loop
    inc esi
    sysenter
called:
    add eax, ebx
    test esi, esi
    jnz .end
    sysexit
.end:
    mov esp, [stack]
    ret
align 4
stack: dd 0
%endif

%macro write_msr 3
    mov ecx, %1
    mov eax, %2
    mov edx, %3
    wrmsr
%endmacro

prepare:
%ifdef LONG
    mov ecx, 0xc0000080         ; EFER.SCE
    rdmsr
    or al, 1
    wrmsr
    write_msr 0xc0000081, 0, 40 << 16 | RING0_CODE64        ; STAR
    write_msr 0xc0000082, called, 0                         ; LSTAR
    write_msr 0xc0000084, 0, 0                              ; FMASK
%else
    write_msr 0x174, RING0_CODE64, 0                         ; IA32_SYSENTER_CS: its descriptors are fixed, 32-bit
    write_msr 0x175, KERNEL_STACK, 0                        ; IA32_SYSENTER_ESP
    write_msr 0x176, called, 0                              ; IA32_SYSENTER_EIP
%endif
    ret
%include "rings.inc"
