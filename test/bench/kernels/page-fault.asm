; Page faults: a page is taken away, touched, and given back by the handler.
%define PER_ITERATION 9
%define SETUP 4
%define PASS 40000
%define PAGED
%define PREPARE
%include "frame.inc"

%ifdef LONG
    %define WINDOW_ENTRY (PML4 + 0x3000)
    %define CODE_BYTES 8
%else
    %define WINDOW_ENTRY (PAGE_TABLES + 0x1000)
    %define CODE_BYTES 4
%endif

kernel:
    mov ebx, WINDOW
    mov dword [xbx], 3
    xor eax, eax
.loop:
    and dword [WINDOW_ENTRY], ~1
    invlpg [xbx]
    add eax, [xbx]
    dec xcx
    jnz .loop
    ret
fault:
    add xsp, CODE_BYTES
    or dword [WINDOW_ENTRY], 1
    xiret

prepare:
    mov al, 14
    mov edx, fault
    jmp set_gate
%include "rings.inc"
